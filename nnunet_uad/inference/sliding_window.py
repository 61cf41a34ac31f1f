"""Reconstruct whole volumes with nnU-Net's own sliding window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn


class _TileReconstructor(nn.Module):
    """What the sliding window calls on each tile: image channels and extra channels in, image out."""

    def __init__(self, reconstruct: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], channels: int) -> None:
        super().__init__()
        self.reconstruct = reconstruct
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.reconstruct(x[:, : self.channels], x[:, self.channels :])


def reconstruct_volume(
    image: np.ndarray,
    extra: np.ndarray | None,
    reconstruct: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    plans_manager: PlansManager,
    configuration_manager: ConfigurationManager,
    dataset_json: dict,
    mirror_axes: tuple[int, ...] | None,
    device: torch.device,
) -> np.ndarray:
    """Reconstruct a preprocessed volume: Gaussian-weighted tiles, mirrored where the model allows it.

    Args:
        image: (C, z, y, x), preprocessed.
        extra: further channels (E, z, y, x), drawn once for the volume (masks, noise), so that tiles agree.
        reconstruct: tile (B, C, *tile) and its extra channels (B, E, *tile) → (B, C, *tile).
        plans_manager: of the model.
        configuration_manager: of the model; its patch size is the tile.
        dataset_json: of the model's dataset.
        mirror_axes: spatial axes for test-time mirroring, or ``None``.
        device: where to compute.

    Returns:
        The reconstruction, float32, of the shape of ``image``.
    """
    predictor = nnUNetPredictor(
        use_mirroring=mirror_axes is not None, perform_everything_on_device=True, device=device, allow_tqdm=False
    )
    predictor.manual_initialization(
        _TileReconstructor(reconstruct, len(image)),
        plans_manager,
        configuration_manager,
        None,
        dataset_json,
        "",
        mirror_axes,
    )
    # The predictor asks the label manager only how many channels the network returns.
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=len(image))
    stacked = image if extra is None else np.concatenate([image, extra])
    margins = _margins(image.shape[1:], configuration_manager.patch_size)
    padded = np.pad(stacked.astype(np.float32), [(0, 0), *((m, m) for m in margins)])
    restored = predictor.predict_sliding_window_return_logits(torch.from_numpy(padded)).float().cpu().numpy()
    inside = tuple(slice(m, m + n) for m, n in zip(margins, image.shape[1:], strict=True))
    return np.ascontiguousarray(restored[(slice(None), *inside)])


def _margins(shape: Sequence[int], tile: Sequence[int]) -> list[int]:
    """Voxels to pad on either side of each axis, so that no voxel is seen by the very edge of a tile only.

    nnU-Net weights tiles by a Gaussian in half precision, which underflows in a tile's corners; there its sums keep
    hardly a digit. An argmax does not mind, a residual does. An eighth of the tile is one sigma. Axes on which the
    tile is larger than the image get that margin from nnU-Net's own padding.
    """
    margins = [0] * (len(shape) - len(tile))
    for size, width in zip(shape[len(margins) :], tile, strict=True):
        margin = -(-int(width) // 8)
        margins.append(margin if size + 2 * margin > width else 0)
    return margins
