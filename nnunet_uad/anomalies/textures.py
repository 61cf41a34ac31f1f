"""What an anomaly is filled with: texture from other patches, or noise."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from nnunet_uad.anomalies.perlin import perlin_noise
from nnunet_uad.anomalies.randomness import Random

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


def noise_texture(shape: Sequence[int], channels: int, rng: Random) -> np.ndarray:
    """Perlin noise of a random mean and amplitude per channel, z-score units.

    Args:
        shape: Voxels along each axis of the patch.
        channels: Number of channels, C.
        rng: Generator that draws lattice, mean and amplitude.

    Returns:
        Texture (C, *shape), float32.
    """
    cells = [max(1.0, n / rng.uniform(3, 12)) for n in shape]
    noise = perlin_noise(shape, cells, rng)
    mean, amplitude = rng.normal(0, 1.5, channels), rng.uniform(0.2, 1.0, channels)
    column = (channels,) + (1,) * len(shape)
    return (mean.reshape(column) + amplitude.reshape(column) * noise).astype(np.float32)
