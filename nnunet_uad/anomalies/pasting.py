"""Lesions of a bank, put into patches while nnU-Net loads its data: image and labels in, image and labels out.

Soft Poisson blending: Huo et al., 2024, https://arxiv.org/abs/2406.14826. Lesions cut out of annotated cases: CarveMix,
Zhang et al., MICCAI 2021, https://arxiv.org/abs/2108.06883
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from torch.nn.functional import interpolate

from nnunet_uad.anomalies.bank_settings import LesionBankSection
from nnunet_uad.anomalies.lesion_bank import Lesion, LesionBank
from nnunet_uad.anomalies.randomness import Random, inside_voxel, numpy_random
from nnunet_uad.anomalies.shapes import SMALLEST_LESION, Box

#: Places that are tried for a lesion before the patch stays as it is.
TRIES = 8
#: Share of a lesion that must lie where it may; the rest, beyond the edge of the brain, is left out.
LEAST_INSIDE = 0.9
#: Share of the available voxels that a lesion may take: something must be left around it.
MOST_TAKEN = 0.5
#: Width of the soft edge, in voxels of the finest axis; it lies outside the lesion, which is whole.
EDGE_VOXELS = 2.0
#: Voxels of a box on which the Poisson equation is solved as it is; of larger ones on a coarser grid.
POISSON_VOXELS = 2**12


class LesionBankTransform(BasicTransform):
    """Pastes lesions of a bank into patches; put it right behind nnU-Net's spatial transform.

    There labels are still −1 outside the image. Lesions go where the labels say background: other lesions, voxels to be
    ignored and the outside stay as they are, image and labels. In patches that nobody labelled, background carries a
    marker, and all of them get a lesion. What is drawn comes from NumPy's global generator.

    Args:
        bank: Bank with a lesion at least.
        settings: Section of the settings about the bank.
        spacing: Voxel size of the patch, mm per axis.
        probability: Share of the annotated patches that get a lesion.
        marker: Label of the background of patches that nobody labelled.
        unknown: Label that the loss leaves out; ``None`` where unlabelled background counts as healthy.
    """

    def __init__(
        self,
        bank: LesionBank,
        settings: LesionBankSection,
        spacing: Sequence[float],
        *,
        probability: float,
        marker: int,
        unknown: int | None,
    ) -> None:
        super().__init__()
        self.bank, self.settings = bank, settings
        self.spacing = tuple(float(s) for s in spacing)
        self.probability, self.marker, self.unknown = probability, marker, unknown

    def get_parameters(self, **data_dict: Any) -> dict[str, Any]:
        """Draw a lesion and its place for a sample of segmentation (S, *spatial).

        Returns:
            ``lesion`` and ``box``, the part of a lesion and where it goes, ``None`` if it has no room; nothing for an
            annotated patch that stays as it is.
        """
        labels, rng = data_dict["segmentation"].numpy()[0], numpy_random()
        unlabelled = bool((labels == self.marker).any())
        if not unlabelled and (not self.probability or rng.random_sample() >= self.probability):
            return {}
        available = labels == (self.marker if unlabelled else 0)
        room = MOST_TAKEN * np.count_nonzero(available)
        lesion = self.bank.draw(self.settings.bank_mirrored, self.settings.bank_scale, room, rng)
        occupied = (labels > 0) & ~available
        placed = place(lesion, available, occupied, room=room, gap=min(self.spacing), rng=rng)
        if placed is None:
            return {"lesion": None, "box": None} if unlabelled else {}
        return {"lesion": placed[0], "box": placed[1]}

    def apply(self, data_dict: dict, **params: Any) -> dict:
        """Paste what was drawn into image (C, *spatial) and segmentation (S, *spatial) of the sample.

        All channels of the segmentation get the lesion: of a cascade, the earlier stage counts as having found it.
        """
        if not params:
            return data_dict
        lesion, box = params["lesion"], params["box"]
        labels = data_dict["segmentation"].numpy().copy()
        marked = labels[0] == self.marker
        available = marked if marked.any() else labels[0] == 0
        if marked.any():
            labels[0][marked] = 0 if self.unknown is None else self.unknown
        if lesion is not None:
            image = data_dict["image"].clone()
            self._paste(image.numpy()[(slice(None), *box)], available[box], lesion)
            inside = available[box] & (lesion.labels > 0)
            # The surroundings are known: there is no lesion but the pasted one, as far as anybody can see.
            np.copyto(labels[0][box], 0, where=available[box])
            np.copyto(labels[(slice(None), *box)], lesion.labels, where=inside)
            data_dict["image"] = image
        data_dict["segmentation"] = torch.from_numpy(labels)
        return data_dict

    def _paste(self, host: np.ndarray, available: np.ndarray, lesion: Lesion) -> None:
        edge, settings = EDGE_VOXELS * min(self.spacing), self.settings
        if settings.bank_blend == "cut":
            opacity = (lesion.labels > 0).astype(np.float32)
        else:
            opacity = np.clip(1 + lesion.depth / edge, 0, 1)
        ring = lesion.healthy & available & (lesion.depth < -min(self.spacing))
        if settings.bank_blend == "poisson":
            change = fitted_gradients(lesion, host, available, ring)
        else:
            change = lesion.image - host
            if settings.bank_matched and ring.any():
                change -= _mean(change, ring)
        host += change * (opacity * available)


def place(
    lesion: Lesion, available: np.ndarray, occupied: np.ndarray, *, room: float, gap: float, rng: Random
) -> tuple[Lesion, Box] | None:
    """A random place for a lesion, and the part of it that lies in the patch.

    Args:
        lesion: Lesion to place; what lies beyond the patch is cut off.
        available: Voxels that it may cover (*spatial), boolean.
        occupied: Voxels that it must not touch (*spatial), boolean: other lesions, and what nobody annotated.
        room: Number of voxels that it may cover at most.
        gap: Distance that it keeps to what is occupied, mm.
        rng: Generator that all randomness comes from.

    Returns:
        The part and its box in the patch; ``None`` if no place was found.
    """
    lesion_mask = lesion.labels > 0
    # The depth of a lesion made larger or smaller is interpolated; whatever it says, neighbours must not touch.
    near = (lesion.depth > -gap) | _grown(lesion_mask)
    for _ in range(TRIES):
        centre = inside_voxel(available, rng)
        if centre is None:
            return None
        box, piece = [], []
        for c, n, size in zip(centre, available.shape, lesion.labels.shape, strict=True):
            start = c - size // 2
            low, high = max(0, start), min(n, start + size)
            box.append(slice(low, high))
            piece.append(slice(low - start, high - start))
        here, part = tuple(box), tuple(piece)
        mask = lesion_mask[part]
        voxels, inside = np.count_nonzero(mask), np.count_nonzero(mask & available[here])
        if inside < max(SMALLEST_LESION, LEAST_INSIDE * voxels) or inside > room:
            continue
        if (occupied[here] & near[part]).any():
            continue
        image, healthy = lesion.image[(slice(None), *part)], lesion.healthy[part]
        return Lesion(lesion.case, image, lesion.labels[part], healthy, lesion.depth[part]), here
    return None


def _grown(mask: np.ndarray) -> np.ndarray:
    """A mask (*box) and its neighbours, diagonal ones too."""
    for axis in range(mask.ndim):
        lines, grown = np.moveaxis(mask, axis, 0), mask.copy()
        target = np.moveaxis(grown, axis, 0)
        target[1:] |= lines[:-1]
        target[:-1] |= lines[1:]
        mask = grown
    return mask


def fitted_gradients(lesion: Lesion, host: np.ndarray, available: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """What turns a host into one with the lesion's gradients and, on the border of the box, its own values (C, *box).

    Beyond the brain, of the lesion or of the host, and where the patch ends within the lesion, there is nothing to
    fit: there the lesion differs from the host as it does on average around the lesion.

    Args:
        lesion: Lesion with its surroundings, of the size of the box.
        host: Image in the box (C, *box), z-score units.
        available: Voxels of the host that may be changed (*box), boolean.
        ring: Voxels that are healthy in both, around the lesion (*box), boolean.
    """
    difference = lesion.image - host
    around = _mean(difference, ring) if ring.any() else np.zeros((len(host),) + (1,) * ring.ndim, np.float32)
    known = lesion.healthy & available & (lesion.depth < 0)
    return difference - _smooth_from_border(np.where(known, difference, around).astype(np.float32))


def _smooth_from_border(values: np.ndarray) -> np.ndarray:
    """The harmonic field with the values (C, *box) that there are on the border of the box."""
    shape = list(values.shape[1:])
    if values[0].size <= POISSON_VOXELS:
        return harmonic(values)
    # It is smooth, so a coarse grid will do.
    factor = (values[0].size / POISSON_VOXELS) ** (1 / len(shape))
    size = [min(n, max(3, round(n / factor))) for n in shape]
    mode = "bilinear" if len(shape) == 2 else "trilinear"
    coarse = interpolate(torch.from_numpy(values)[None], size, mode=mode, align_corners=True)[0].numpy()
    return interpolate(torch.from_numpy(harmonic(coarse))[None], shape, mode=mode, align_corners=True)[0].numpy()


def harmonic(values: np.ndarray) -> np.ndarray:
    """The field without a Laplacian inside that has the values (C, *box) on the border of the box.

    The Laplacian of a box is diagonal in sines; at these sizes a product with their matrix is faster than a transform.
    """
    axes = tuple(range(1, values.ndim))
    result = values.copy()
    if min(values.shape[1:]) < 3:
        return result
    inner = (slice(None), *(slice(1, -1) for _ in axes))
    source = -2.0 * len(axes) * values[inner]
    eigenvalues = np.zeros((), np.float32)
    for axis in axes:
        for side in (slice(0, -2), slice(2, None)):
            source += values[tuple(side if a == axis else s for a, s in enumerate(inner))]
        eigenvalues = eigenvalues + _sines(values.shape[axis] - 2)[1].reshape([-1 if a == axis else 1 for a in axes])
    result[inner] -= _in_sines(_in_sines(source) / eigenvalues)
    return result


def _in_sines(values: np.ndarray) -> np.ndarray:
    """The orthonormal sine transform of a field (C, *box), which is its own inverse."""
    for _ in values.shape[1:]:
        # The first axis of the box is transformed, and becomes the last.
        values = np.moveaxis(values, 1, -1) @ _sines(values.shape[1])[0]
    return values


@lru_cache(maxsize=256)
def _sines(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sines on a line of ``n`` voxels between zeros (n, n), and the eigenvalues of the second difference (n,)."""
    angles = np.pi / (n + 1) * np.arange(1, n + 1)
    matrix = np.sqrt(2 / (n + 1)) * np.sin(np.outer(angles, np.arange(1, n + 1)))
    return matrix.astype(np.float32), (2 * np.cos(angles) - 2).astype(np.float32)


def _mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean over a mask, per channel (C, 1, …)."""
    return values[:, mask].mean(1).reshape(-1, *(1,) * mask.ndim)
