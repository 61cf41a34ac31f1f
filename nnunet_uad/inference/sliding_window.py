"""Reconstruct whole volumes with nnU-Net's sliding window, tiles in batches and sums in full precision."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from torch import nn

from nnunet_uad.inference.model_plan import ModelPlan

Reconstruct = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class _TileReconstructor(nn.Module):
    """What the sliding window calls on tiles: image channels and extra channels in, image out."""

    def __init__(self, reconstruct: Reconstruct, channels: int) -> None:
        super().__init__()
        self.reconstruct = reconstruct
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tiles (B, C + E, *tile) → (B, C, *tile), float32: nnU-Net adds up mirrored copies in what it gets."""
        return self.reconstruct(x[:, : self.channels], x[:, self.channels :]).float()


class _VolumePredictor(nnUNetPredictor):
    """nnU-Net's predictor with its tiles, mirroring and padding, made for images instead of logits.

    nnU-Net weights tiles by a Gaussian in half precision, which underflows in a tile's corners, where its sums keep
    hardly a digit. An argmax does not mind, a residual does: here the sums are float32. And tiles go through the
    network in batches of the plan's size, which fitted the device in training.
    """

    @torch.inference_mode()
    def _internal_predict_sliding_window_return_logits(
        self, data: torch.Tensor, slicers: Iterable[tuple], do_on_device: bool = True
    ) -> torch.Tensor:
        device = self.device if do_on_device else torch.device("cpu")
        data = data.to(device)
        tile = tuple(self.configuration_manager.patch_size)
        weight = compute_gaussian(tile, sigma_scale=1.0 / 8, dtype=torch.float32, device=device)
        total = torch.zeros((self.label_manager.num_segmentation_heads, *data.shape[1:]), device=device)
        weights = torch.zeros(data.shape[1:], device=device)
        slicers = list(slicers)
        size = self.configuration_manager.batch_size
        for start in range(0, len(slicers), size):
            chosen = slicers[start : start + size]
            tiles = torch.stack([data[s] for s in chosen]).to(self.device)
            outputs = self._internal_maybe_mirror_and_predict(tiles).to(device=device, dtype=torch.float32)
            outputs *= weight
            for where, output in zip(chosen, outputs, strict=True):
                total[where] += output
                weights[where[1:]] += weight
        return total.div_(weights)


@dataclass(frozen=True)
class Window:
    """How a volume is gone through.

    Attributes:
        model: Plan of the model; the patch size of its configuration is the tile, its batch size that of the tiles.
        mirror_axes: Spatial axes for test-time mirroring, or ``None``.
        device: Device to compute on.
    """

    model: ModelPlan
    mirror_axes: tuple[int, ...] | None
    device: torch.device


def reconstruct_volume(
    image: np.ndarray,
    extra: np.ndarray | None,
    reconstruct: Reconstruct,
    window: Window,
    outputs: int | None = None,
) -> np.ndarray:
    """Reconstruct a preprocessed volume: Gaussian-weighted tiles, mirrored where the model allows it.

    Args:
        image: Preprocessed image (C, z, y, x).
        extra: Further channels (E, z, y, x), drawn once for the volume (masks, noise), so that tiles agree.
        reconstruct: Function of tiles (B, C, *tile) and their extra channels (B, E, *tile) → (B, C, *tile).
        window: Tiles, mirroring and device.
        outputs: Number of channels that ``reconstruct`` returns; as many as the image has if omitted.

    Returns:
        Reconstruction (outputs, z, y, x), float32.
    """
    # nnU-Net prints, for every volume, that the CPU is not a GPU.
    with redirect_stdout(io.StringIO()):
        predictor = _VolumePredictor(
            use_mirroring=window.mirror_axes is not None, device=window.device, allow_tqdm=False
        )
    predictor.manual_initialization(
        _TileReconstructor(reconstruct, len(image)),
        window.model.plans,
        window.model.configuration,
        None,
        window.model.dataset,
        "",
        window.mirror_axes,
    )
    # The predictor asks the label manager only how many channels the network returns.
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=outputs or len(image))
    stacked = image if extra is None else np.concatenate([image, extra])
    reconstruction = predictor.predict_sliding_window_return_logits(torch.from_numpy(stacked.astype(np.float32)))
    return np.ascontiguousarray(reconstruction.cpu().numpy())
