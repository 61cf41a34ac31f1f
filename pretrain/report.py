"""A pretrainer's "validation": error maps of the validation cases and a summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from tqdm import tqdm

from nnunet_uad.inference.sliding_window import reconstruct_volume
from nnunet_uad.metrics.reconstruction import reconstruction_report
from nnunet_uad.scoring.geometry import to_original_geometry, write_map
from nnunet_uad.scoring.residual import absolute_residual
from nnunet_uad.training.atomic import write_json

if TYPE_CHECKING:
    from nnunet_uad.pretrain.base import nnUNetPretrainer

MAP_SUFFIX = "_map.nii.gz"


def restore_case(trainer: nnUNetPretrainer, image: np.ndarray, seed: int) -> np.ndarray:
    """Restore a preprocessed volume (C, z, y, x) with the trainer's network and task."""
    network = trainer.bare_network

    def reconstruct(tile: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        return trainer.task.reconstruct(network, tile, extra)

    return reconstruct_volume(
        image,
        trainer.task.extra_channels(image.shape[1:], seed),
        reconstruct,
        trainer.plans_manager,
        trainer.configuration_manager,
        trainer.dataset_json,
        trainer.inference_allowed_mirroring_axes,
        trainer.device,
    )


def write_validation_report(trainer: nnUNetPretrainer) -> dict[str, Any] | None:
    """Restore every validation case of the fold; write ``validation/<case>_map.nii.gz`` and ``summary.json``.

    The map is the mean absolute residual over the channels, z-score units, 0 outside the foreground. With
    ``save_reconstruction`` there is ``<case>_reconstruction_<channel>.nii.gz`` too. Cases are shared among DDP
    ranks.

    Returns:
        The summary on rank 0, ``None`` on the others.
    """
    folder = Path(trainer.output_folder) / "validation"
    folder.mkdir(parents=True, exist_ok=True)
    keys = trainer.do_split()[1]
    mine = keys[trainer.local_rank :: dist.get_world_size()] if trainer.is_ddp else keys
    dataset = trainer.dataset_class(trainer.preprocessed_dataset_folder, list(mine))
    cases = [_validate_case(trainer, dataset, key, folder) for key in tqdm(dataset.identifiers, desc="validation")]
    if trainer.is_ddp:
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, cases)
        cases = [case for part in gathered for case in part]
    if trainer.local_rank != 0:
        return None
    summary = {
        "metric_per_case": sorted(cases, key=lambda case: case["identifier"]),
        "mean": _mean([case["metrics"] for case in cases]),
        "units": "z-score units of the preprocessed image; voxels are those of the preprocessed grid",
    }
    write_json(folder / "summary.json", summary)
    return summary


def _validate_case(trainer: nnUNetPretrainer, dataset: Any, key: str, folder: Path) -> dict[str, Any]:
    data, seg, _, properties = dataset.load_case(key)
    image, labels = np.asarray(data[:], dtype=np.float32), np.asarray(seg[:])[0]
    restored = restore_case(trainer, image, trainer.seed)
    residual = absolute_residual(image, restored) * (labels >= 0)
    target = folder / f"{key}{MAP_SUFFIX}"
    write_map(_original(trainer, residual[None], properties)[0], properties, target)
    if trainer.settings.save_reconstruction:
        for channel, volume in enumerate(_original(trainer, restored, properties)):
            write_map(volume, properties, folder / f"{key}_reconstruction_{channel:04d}.nii.gz")
    known = labels.copy()
    ignore = trainer.label_manager.ignore_label
    if ignore is not None:
        # Neither healthy nor lesion: what nobody annotated counts for neither.
        known[known == ignore] = -1
    return {"identifier": key, "map": target.name, "metrics": reconstruction_report(image, restored, known)}


def _original(trainer: nnUNetPretrainer, volume: np.ndarray, properties: dict[str, Any]) -> np.ndarray:
    return to_original_geometry(volume, properties, trainer.plans_manager, trainer.configuration_manager)


def _mean(reports: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each value over the cases that have it."""
    names = sorted({name for report in reports for name in report})
    return {name: float(np.mean([r[name] for r in reports if name in r])) for name in names}
