"""The anomalies as transforms of batchgeneratorsv2: image and mask in, image and mask out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform

from nnunet_uad.anomalies import blends
from nnunet_uad.anomalies.anomaly_settings import AnomalySettings, brighter_channels
from nnunet_uad.anomalies.randomness import Random, numpy_random
from nnunet_uad.anomalies.shapes import LesionShapes, perlin_mask, random_blob, random_box

#: Patches of other places that a worker remembers, to take foreign texture from: so many, or so many bytes.
REMEMBERED, REMEMBERED_BYTES = 16, 2**26


class PatchMemory:
    """The clean patches that passed lately."""

    def __init__(self) -> None:
        self.patches: deque[np.ndarray] = deque(maxlen=REMEMBERED)

    def add(self, patch: np.ndarray) -> None:
        """Remember a patch (C, *spatial); the oldest make room."""
        while self.patches and (len(self.patches) + 1) * patch.nbytes > REMEMBERED_BYTES:
            self.patches.popleft()
        self.patches.append(patch)

    def draw(self, image: np.ndarray, rng: Random) -> np.ndarray:
        """Another patch of the same shape, mirrored, a little brighter or darker; ``image`` itself if none is known."""
        kept = [p for p in self.patches if p.shape == image.shape]
        other = kept[rng.randint(len(kept))] if kept else image
        steps = 1 - 2 * rng.randint(0, 2, image.ndim - 1)
        # At least one axis is mirrored: a patch never meets itself.
        steps[-1] = -1 if (steps > 0).all() else steps[-1]
        offset = rng.normal(0, 0.5, (len(image),) + (1,) * (image.ndim - 1)).astype(np.float32)
        return other[(slice(None), *(slice(None, None, s) for s in steps))] + offset


class AnomalyTransform(BasicTransform):
    """Base of the single anomalies: changes the image where the segmentation carries the marker.

    Voxels of the marker become 0, those of the anomaly the label. A patch without the marker passes unchanged. What is
    drawn comes from NumPy's global generator.

    Args:
        settings: of the anomalies.
        spacing: mm per axis of the patch.
        channel_names: of the image.
        marker: label of the voxels that may be changed.
        label: of the anomaly.
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

    def apply(self, data_dict: dict, **params: Any) -> dict:
        """Change image (C, *spatial) and segmentation (1, *spatial) of a sample."""
        segmentation = data_dict["segmentation"]
        # NumPy, throughout: on a patch its calls cost a fraction of torch's.
        foreground = segmentation.numpy()[0] == self.marker
        if not foreground.any():
            return data_dict
        image = data_dict["image"].numpy()
        clean = image.copy() if self.foreign else None
        mask = self.change(image, foreground, numpy_random())
        if clean is not None:
            self.memory.add(clean)
        labels = segmentation.numpy().copy()
        np.copyto(labels[0], 0, where=foreground)
        if mask is not None:
            np.copyto(labels[0], self.label, where=mask)
        data_dict["segmentation"] = torch.from_numpy(labels)
        return data_dict

    def change(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> np.ndarray | None:
        """Change the image in place; returns the anomaly's mask, or ``None`` for a patch left healthy."""
        raise NotImplementedError


class PerlinTextureTransform(AnomalyTransform):
    """Perlin-shaped mask, filled with foreign texture or noise (DRAEM, Zavrtanik et al., ICCV 2021)."""

    foreign = True

    def change(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> np.ndarray:
        """Blend a texture in."""
        mask = perlin_mask(foreground, self.spacing, rng)
        if rng.random_sample() < 0.5:
            texture = self.memory.draw(image, rng)
        else:
            texture = blends.noise_texture(foreground.shape, len(image), rng)
        return blends.blend_texture(image, mask, texture, rng.uniform(*self.settings.anomaly_opacity))


class CutPasteTransform(AnomalyTransform):
    """A part of the image put elsewhere (CutPaste, Li et al., CVPR 2021)."""

    def change(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> np.ndarray | None:
        """Cut and paste."""
        box = random_box(foreground, self.spacing, self.settings.anomaly_size_mm, rng)
        return None if box is None else blends.cut_paste(image, foreground, box, rng)


class ForeignPatchTransform(AnomalyTransform):
    """A box mixed with another patch (foreign patch interpolation, Tan et al. 2020)."""

    foreign = True
    blend = staticmethod(blends.interpolate)

    def change(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> np.ndarray | None:
        """Interpolate."""
        box = random_box(foreground, self.spacing, self.settings.anomaly_size_mm, rng)
        if box is None:
            return None
        share = rng.uniform(*self.settings.anomaly_opacity)
        return self.blend(image, self.memory.draw(image, rng), foreground, box, share)


class PoissonTransform(ForeignPatchTransform):
    """A box whose gradients are mixed with another patch's (Poisson image interpolation, Tan et al. 2021)."""

    blend = staticmethod(blends.interpolate_gradients)


class IntensityShiftTransform(AnomalyTransform):
    """Brighter or darker, with a soft edge, in a random blob or in the shape of a real lesion.

    Args:
        shapes: real lesions; random blobs if omitted.
    """

    def __init__(self, *arguments: Any, shapes: LesionShapes | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.shapes = shapes

    def change(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> np.ndarray | None:
        """Shift the intensity in one to three places."""
        mask: np.ndarray | None = None
        for _ in range(rng.randint(1, 4)):
            if self.shapes is None:
                shape = random_blob(foreground, self.spacing, self.settings.anomaly_size_mm, rng)
            else:
                shape = self.shapes.draw(foreground, rng)
            if shape is None:
                return mask
            shift = rng.uniform(*self.settings.anomaly_shift, len(image)) * (2 * rng.randint(0, 2, len(image)) - 1)
            shift = np.where(self.brighter, np.abs(shift), shift)
            if self.settings.anomaly_sign == "darker":
                shift = -np.abs(shift)
            edge = rng.uniform(1, 4) * min(self.spacing)
            changed = blends.shift_intensity(image, foreground, shape, shift, edge)
            mask = changed if mask is None else mask | changed
        return mask


KINDS: Mapping[str, type[AnomalyTransform]] = {
    "perlin": PerlinTextureTransform,
    "cutpaste": CutPasteTransform,
    "foreign": ForeignPatchTransform,
    "poisson": PoissonTransform,
    "shift": IntensityShiftTransform,
}


class RandomAnomalyTransform(AnomalyTransform):
    """One of the anomalies that the settings name, each as likely as the others; some patches stay healthy."""

    def __init__(
        self, settings: AnomalySettings, spacing: Sequence[float], channel_names: Sequence[str], marker: int, label: int
    ) -> None:
        super().__init__(settings, spacing, channel_names, marker, label)
        arguments = (settings, spacing, channel_names, marker, label)
        self.kinds: list[AnomalyTransform] = []
        for name in settings.anomaly_kinds:
            if name == "shift" and settings.lesion_masks:
                self.kinds.append(
                    IntensityShiftTransform(*arguments, shapes=LesionShapes(settings.lesion_masks, self.spacing))
                )
            else:
                self.kinds.append(KINDS[name](*arguments))
        # One memory for all kinds; this transform fills it.
        self.foreign = any(kind.foreign for kind in self.kinds)
        for kind in self.kinds:
            kind.memory = self.memory

    def change(self, image: np.ndarray, foreground: np.ndarray, rng: Random) -> np.ndarray | None:
        """Draw a kind and apply it."""
        if rng.random_sample() >= self.settings.anomaly_probability:
            return None
        return self.kinds[rng.randint(len(self.kinds))].change(image, foreground, rng)
