"""Reconstruct whole volumes with nnU-Net's sliding window, tiles in batches and sums in full precision."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

Reconstruct = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class _TileReconstructor(nn.Module):
    """What the sliding window calls on tiles: image channels and extra channels in, image out."""

    def __init__(self, reconstruct: Reconstruct, channels: int) -> None:
        super().__init__()
        self.reconstruct = reconstruct
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.reconstruct(x[:, : self.channels], x[:, self.channels :])


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


def reconstruct_volume(
    image: np.ndarray,
    extra: np.ndarray | None,
    reconstruct: Reconstruct,
    plans_manager: PlansManager,
    configuration_manager: ConfigurationManager,
    dataset_json: dict[str, Any],
    mirror_axes: tuple[int, ...] | None,
    device: torch.device,
    outputs: int | None = None,
) -> np.ndarray:
    """Reconstruct a preprocessed volume: Gaussian-weighted tiles, mirrored where the model allows it.

    Args:
        image: (C, z, y, x), preprocessed.
        extra: further channels (E, z, y, x), drawn once for the volume (masks, noise), so that tiles agree.
        reconstruct: tiles (B, C, *tile) and their extra channels (B, E, *tile) → (B, C, *tile).
        plans_manager: of the model.
        configuration_manager: of the model; its patch size is the tile.
        dataset_json: of the model's dataset.
        mirror_axes: spatial axes for test-time mirroring, or ``None``.
        device: where to compute.
        outputs: channels that ``reconstruct`` returns; as many as the image has if omitted.

    Returns:
        The reconstruction, float32, (outputs, z, y, x).
    """
    # nnU-Net prints, for every volume, that the CPU is not a GPU.
    with redirect_stdout(io.StringIO()):
        predictor = _VolumePredictor(use_mirroring=mirror_axes is not None, device=device, allow_tqdm=False)
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
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=outputs or len(image))
    stacked = image if extra is None else np.concatenate([image, extra])
    restored = predictor.predict_sliding_window_return_logits(torch.from_numpy(stacked.astype(np.float32)))
    return np.ascontiguousarray(restored.cpu().numpy())
