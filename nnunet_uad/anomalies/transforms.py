"""The anomalies as transforms of batchgeneratorsv2: image and mask in, image and mask out.

As in batchgeneratorsv2, ``get_parameters`` draws all that is random and ``apply`` applies it: the same parameters on
the same sample give the same result.

Example:
    >>> transform = KINDS["shift"](AnomalySettings(), (2.0, 2.0), ["FLAIR"], marker=1, label=1)
    >>> sample = {"image": torch.zeros(1, 32, 32), "segmentation": torch.ones(1, 32, 32, dtype=torch.int16)}
    >>> drawn = transform.get_parameters(**sample)
    >>> changed = transform.apply(sample, **drawn)
    >>> bool((changed["image"][changed["segmentation"] == 1] > 0).all())
    True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform

from nnunet_uad.anomalies import blends
from nnunet_uad.anomalies.anomaly_settings import SHAPED_KINDS, AnomalySettings, brighter_channels
from nnunet_uad.anomalies.perlin import perlin_noise
from nnunet_uad.anomalies.randomness import Random, log_uniform, numpy_random
from nnunet_uad.anomalies.shapes import Box, LesionShapes, Shape, perlin_mask, random_blob, random_box, random_place
from nnunet_uad.anomalies.textures import PatchMemory, noise_texture

#: Standard deviation of a pasted part's change of intensity, z-score units.
JITTER = 0.3


class AnomalyTransform(BasicTransform):
    """Base of the single anomalies: changes the image where the segmentation carries the marker.

    Voxels of the marker become 0, those of the anomaly the label. A patch without the marker passes unchanged. What is
    drawn comes from NumPy's global generator. Subclasses say what is drawn (:meth:`draw`) and what it changes
    (:meth:`change`).

    Args:
        settings: Settings of the anomalies.
        spacing: Voxel size of the patch, mm per axis.
        channel_names: Names of the image's channels; the sign of an intensity shift follows from them.
        marker: Label of the voxels that may be changed.
        label: Label that the anomaly gets.
    """

    #: Whether the anomaly takes what it inserts from patches that passed before.
    foreign = False

    def __init__(
        self, settings: AnomalySettings, spacing: Sequence[float], channel_names: Sequence[str], marker: int, label: int
    ) -> None:
        super().__init__()
        self.memory = PatchMemory()
        self.settings = settings
        self.spacing = tuple(float(s) for s in spacing)
        self.brighter = brighter_channels(settings.anomaly_sign, channel_names)
        self.marker, self.label = marker, label

    def get_parameters(self, **data_dict: Any) -> dict[str, Any]:
        """Draw an anomaly for a sample of image (C, *spatial) and segmentation (1, *spatial).

        Where the anomaly is foreign, the patch is remembered for those that follow.

        Returns:
            ``foreground``, the voxels of the marker (*spatial), and ``drawn``, the parameters of :meth:`change` (empty
            for a patch that stays healthy); nothing for a patch without the marker.
        """
        # NumPy, throughout: on a patch its calls cost a fraction of torch's.
        foreground = data_dict["segmentation"].numpy()[0] == self.marker
        if not foreground.any():
            return {}
        image = data_dict["image"].numpy()
        drawn = self.draw(image, foreground, numpy_random())
        if self.foreign:
            self.memory.add(image.copy())
        return {"foreground": foreground, "drawn": drawn}

    def apply(self, data_dict: dict, **params: Any) -> dict:
        """Change image (C, *spatial), in place, and segmentation (1, *spatial) of the sample that was drawn for."""
        if not params:
            return data_dict
        foreground, drawn = params["foreground"], params["drawn"]
        labels = data_dict["segmentation"].numpy().copy()
        np.copyto(labels[0], 0, where=foreground)
        if drawn:
            mask = self.change(data_dict["image"].numpy(), foreground, **drawn)
            np.copyto(labels[0], self.label, where=mask)
        data_dict["segmentation"] = torch.from_numpy(labels)
        return data_dict

    def draw(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> dict[str, Any]:
        """Draw the parameters of :meth:`change`.

        Args:
            image: Patch (C, *spatial), z-score units; it stays as it is.
            foreground: Voxels that may be changed (*spatial), boolean, at least one.
            rng: Generator that all randomness comes from.

        Returns:
            Keyword arguments of :meth:`change`; empty for a patch that stays healthy.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it draws.")

    def change(self, image: np.ndarray, foreground: np.ndarray, **drawn: Any) -> np.ndarray:
        """Change an image (C, *spatial) in place, with what :meth:`draw` drew; returns the anomaly's mask (*spatial).

        Args:
            image: Patch (C, *spatial), z-score units.
            foreground: Voxels that may be changed (*spatial), boolean.
            drawn: Parameters that :meth:`draw` returned.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it changes.")


class PerlinTextureTransform(AnomalyTransform):
    """Perlin-shaped mask, filled with foreign texture or noise.

    DRAEM: Zavrtanik et al., ICCV 2021, https://arxiv.org/abs/2108.07610
    """

    foreign = True

    def draw(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> dict[str, Any]:
        """Draw mask (*spatial), texture (C, *spatial) and opacity; as often noise as foreign texture."""
        mask = perlin_mask(foreground, self.spacing, rng)
        if rng.random_sample() < 0.5:
            texture = self.memory.draw(image, rng)
        else:
            texture = noise_texture(foreground.shape, len(image), rng)
        return {"mask": mask, "texture": texture, "opacity": rng.uniform(*self.settings.anomaly_opacity)}

    def change(  # type: ignore[override]
        self, image: np.ndarray, foreground: np.ndarray, mask: np.ndarray, texture: np.ndarray, opacity: float
    ) -> np.ndarray:
        """Blend the texture (C, *spatial) in within the mask (*spatial), which lies in the foreground."""
        return blends.blend_texture(image, mask, texture, opacity)


class CutPasteTransform(AnomalyTransform):
    """A part of the image put elsewhere, a little brighter or darker.

    CutPaste: Li et al., CVPR 2021, https://arxiv.org/abs/2104.04015
    """

    def draw(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> dict[str, Any]:
        """Draw the box to fill, the one to copy, and the change of intensity per channel, (C, 1, …)."""
        box = random_box(foreground, self.spacing, self.settings.anomaly_size_mm, rng)
        if box is None:
            return {}
        source = random_place(box, foreground.shape, rng)
        jitter = rng.normal(0, JITTER, (len(image),) + (1,) * len(box)).astype(np.float32)
        return {"box": box, "source": source, "jitter": jitter}

    def change(  # type: ignore[override]
        self, image: np.ndarray, foreground: np.ndarray, box: Box, source: Box, jitter: np.ndarray
    ) -> np.ndarray:
        """Cut and paste within the image (C, *spatial)."""
        return blends.cut_paste(image, foreground, box, source, jitter)


class ForeignPatchTransform(AnomalyTransform):
    """A box mixed with another patch (foreign patch interpolation: Tan et al., 2020, https://arxiv.org/abs/2011.04197)."""

    foreign = True
    blend = staticmethod(blends.interpolate)

    def draw(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> dict[str, Any]:
        """Draw the box, the share of the other patch, and that patch (C, *spatial)."""
        box = random_box(foreground, self.spacing, self.settings.anomaly_size_mm, rng)
        if box is None:
            return {}
        share = rng.uniform(*self.settings.anomaly_opacity)
        return {"box": box, "share": share, "other": self.memory.draw(image, rng)}

    def change(  # type: ignore[override]
        self, image: np.ndarray, foreground: np.ndarray, box: Box, share: float, other: np.ndarray
    ) -> np.ndarray:
        """Interpolate towards the other patch (C, *spatial)."""
        return self.blend(image, other, foreground, box, share)


class PoissonTransform(ForeignPatchTransform):
    """A box whose gradients are mixed with another patch's.

    Poisson image interpolation: Tan et al., MICCAI 2021, https://arxiv.org/abs/2107.02622
    """

    blend = staticmethod(blends.interpolate_gradients)


class ShapedTransform(AnomalyTransform):
    """Base of the anomalies in a random blob or in the shape of a real lesion, with a soft edge.

    Args:
        arguments: Arguments of :class:`AnomalyTransform`.
        shapes: Shapes of real lesions; random blobs if omitted.
        options: Keyword arguments of :class:`AnomalyTransform`.
    """

    def __init__(self, *arguments: Any, shapes: LesionShapes | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.shapes = shapes

    def draw_shape(self, foreground: np.ndarray, rng: Random, size_mm: Sequence[float]) -> Shape | None:
        """A shape around a voxel of the foreground (*spatial); ``None`` if there is none.

        Args:
            foreground: Voxels that may be changed (*spatial), boolean.
            rng: Generator that all randomness comes from.
            size_mm: Range of a blob's diameter along each axis, mm; real lesions have their own.
        """
        if self.shapes is None:
            return random_blob(foreground, self.spacing, size_mm, rng)
        return self.shapes.draw(foreground, rng)

    def draw_edge(self, rng: Random) -> float:
        """Width of a soft edge: one to four voxels, mm."""
        return rng.uniform(1, 4) * min(self.spacing)


class IntensityShiftTransform(ShapedTransform):
    """Brighter or darker."""

    def draw(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> dict[str, Any]:
        """Draw one to three places: shape, shift per channel (C,) and width of the edge in mm of each."""
        places: list[tuple[Shape, np.ndarray, float]] = []
        for _ in range(rng.randint(1, 4)):
            shape = self.draw_shape(foreground, rng, self.settings.anomaly_size_mm)
            if shape is None:
                return {}
            shift = rng.uniform(*self.settings.anomaly_shift, len(image)) * (2 * rng.randint(0, 2, len(image)) - 1)
            shift = np.where(self.brighter, np.abs(shift), shift)
            if self.settings.anomaly_sign == "darker":
                shift = -np.abs(shift)
            places.append((shape, shift, self.draw_edge(rng)))
        return {"places": places}

    def change(  # type: ignore[override]
        self, image: np.ndarray, foreground: np.ndarray, places: Sequence[tuple[Shape, np.ndarray, float]]
    ) -> np.ndarray:
        """Shift the intensity of the image (C, *spatial) in every place."""
        masks = [blends.shift_intensity(image, foreground, *place) for place in places]
        return reduce(np.logical_or, masks)


class TissueTransform(ShapedTransform):
    """Lesions of a tissue that the image itself has, or of one beyond its brightest or darkest.

    Intensities are quantiles of the image's own foreground, so that contrasts are the scanner's and the sequence's;
    mottled, and let through by an opacity. Small lesions are as frequent as large ones: the size of each is drawn
    uniformly in its logarithm, and where one is small there are several, as many as :attr:`MOST`.
    """

    #: Lesions in a patch at most.
    MOST = 6
    #: Quantiles between which a channel's tissues lie, and those of its bright ones; dark ones are the mirrored.
    RANGE, BRIGHT = (0.02, 0.98), (0.75, 0.99)
    #: How much brighter or darker than the tissue that was drawn a lesion may be, as a multiple of the distance of the
    #: brightest or darkest tissue to the median.
    BEYOND = 1.5
    #: Voxels from which quantiles are taken, about.
    SAMPLED = 20_000
    #: Standard deviation of the mottling, as a share of the distance between darkest and brightest tissue.
    MOTTLED = 0.1

    def draw(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> dict[str, Any]:
        """Draw one to six lesions: shape, tissue (C, *box), opacity and width of the edge in mm of each."""
        low, high = self.settings.anomaly_size_mm
        levels = self.draw_levels(image, foreground, rng)
        contrast = np.abs(levels[1] - levels[0])
        places: list[tuple[Shape, np.ndarray, float, float]] = []
        size = log_uniform(rng, low, high)
        # As many as of the smallest size fit where one of the largest does, at most.
        for _ in range(rng.randint(1, 1 + min(self.MOST, max(1, int(high / size))))):
            shape = self.draw_shape(foreground, rng, (size, min(high, 2 * size)))
            if shape is None:
                return {}
            noise = perlin_noise(shape.depth.shape, [2.0] * shape.depth.ndim, rng)
            spread = (2 * self.MOTTLED * contrast).reshape(-1, *(1,) * noise.ndim)
            tissue = levels[2].reshape(spread.shape) + spread * noise
            places.append(
                (shape, tissue.astype(np.float32), rng.uniform(*self.settings.anomaly_opacity), self.draw_edge(rng))
            )
        return {"places": places}

    def draw_levels(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> np.ndarray:
        """Darkest and brightest tissue of every channel, and the lesion's: (3, C)."""
        # Quantiles of so many voxels are as good as those of all, and sorting is what takes time.
        voxels = np.flatnonzero(foreground)
        inside = image.reshape(len(image), -1)[:, voxels[:: 1 + len(voxels) // self.SAMPLED]]
        tissues = np.empty((3, len(image)))
        for channel, values in enumerate(inside):
            upper = bool(self.brighter[channel])
            if not upper and self.settings.anomaly_sign != "darker":
                upper = rng.random_sample() < 0.5
            low, high = self.BRIGHT if upper else (1 - self.BRIGHT[1], 1 - self.BRIGHT[0])
            wanted = [*self.RANGE, rng.uniform(low, high), 0.5, high if upper else low]
            dark, bright, level, median, end = np.quantile(values, wanted)
            tissues[:, channel] = dark, bright, level + rng.uniform(0, self.BEYOND) * (end - median)
        return tissues

    def change(  # type: ignore[override]
        self, image: np.ndarray, foreground: np.ndarray, places: Sequence[tuple[Shape, np.ndarray, float, float]]
    ) -> np.ndarray:
        """Replace the tissue of the image (C, *spatial) in every place."""
        masks = [blends.replace_tissue(image, foreground, *place) for place in places]
        return reduce(np.logical_or, masks)


KINDS: Mapping[str, type[AnomalyTransform]] = {
    "perlin": PerlinTextureTransform,
    "cutpaste": CutPasteTransform,
    "foreign": ForeignPatchTransform,
    "poisson": PoissonTransform,
    "shift": IntensityShiftTransform,
    "tissue": TissueTransform,
}


class RandomAnomalyTransform(AnomalyTransform):
    """One of the anomalies that the settings name, each as likely as the others; some patches stay healthy."""

    def __init__(
        self, settings: AnomalySettings, spacing: Sequence[float], channel_names: Sequence[str], marker: int, label: int
    ) -> None:
        super().__init__(settings, spacing, channel_names, marker, label)
        arguments = (settings, spacing, channel_names, marker, label)
        shapes: LesionShapes | None = None
        if settings.lesion_masks and {*SHAPED_KINDS} & {*settings.anomaly_kinds}:
            shapes = LesionShapes(settings.lesion_masks, self.spacing)
        self.kinds = [KINDS[name](*arguments) for name in settings.anomaly_kinds]
        for kind in self.kinds:
            if isinstance(kind, ShapedTransform):
                kind.shapes = shapes
        # One memory for all kinds; this transform fills it.
        self.foreign = any(kind.foreign for kind in self.kinds)
        for kind in self.kinds:
            kind.memory = self.memory

    def draw(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> dict[str, Any]:
        """Draw whether there is an anomaly in the image (C, *spatial), its kind, and the kind's parameters."""
        if rng.random_sample() >= self.settings.anomaly_probability:
            return {}
        kind = self.kinds[rng.randint(len(self.kinds))]
        drawn = kind.draw(image, foreground, rng)
        return {"kind": kind, "drawn": drawn} if drawn else {}

    def change(  # type: ignore[override]
        self, image: np.ndarray, foreground: np.ndarray, kind: AnomalyTransform, drawn: Mapping[str, Any]
    ) -> np.ndarray:
        """Change the image (C, *spatial) with the kind that was drawn."""
        return kind.change(image, foreground, **drawn)
