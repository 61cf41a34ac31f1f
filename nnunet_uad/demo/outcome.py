"""What the demo ends with: a small table and one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK

from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.common.plain_text import plain_text
from nnunet_uad.demo.story import FINE_TUNED, PRETRAINER, SCRATCH, Workspace
from nnunet_uad.metrics.bootstrap import mean_interval
from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram


def dice_per_case(workspace: Workspace, trainer: str) -> dict[str, float]:
    """Mean foreground Dice of every validation case, from nnU-Net's own summary; cases without any are left out.

    Args:
        workspace: Folders and names of the demo.
        trainer: Name of the trainer without length.
    """
    summary = read_mapping(workspace.fold_folder(trainer) / "validation" / "summary.json")
    scores = {}
    for case in summary["metric_per_case"]:
        values = [m["Dice"] for m in case["metrics"].values()]
        if not np.isnan(values).all():
            scores[_name(case["reference_file"])] = float(np.nanmean(values))
    return scores


def outcome_table(workspace: Workspace) -> str:
    """Dice of both trainings with intervals, their paired difference, and how well the maps rank voxels.

    Args:
        workspace: Folders and names of the demo.

    Raises:
        RuntimeError: No validation case holds a labelled voxel.
    """
    tuned, scratch = (dice_per_case(workspace, t) for t in (FINE_TUNED, SCRATCH))
    cases = sorted(set(tuned) & set(scratch))
    if not cases:
        raise RuntimeError("No validation case holds a labelled voxel, so there is nothing to score.")
    a, b = (np.array([scores[c] for c in cases]) for scores in (tuned, scratch))
    lines = [f"{len(cases)} validation cases, 95 % bootstrap interval over cases", ""]
    rows = {"from scratch": b, "from the denoising autoencoder": a, "paired difference": a - b}
    for label, values in rows.items():
        interval = mean_interval(values.tolist())
        spread = f"  [{interval[0]:6.3f}, {interval[1]:6.3f}]" if interval else ""
        lines.append(f"  Dice, {label:32s} {values.mean():6.3f}{spread}")
    lines.append("")
    for label, precision in map_precision(workspace, cases).items():
        lines.append(f"  pixel AP without labels, {label:14s} {precision:6.3f}")
    return "\n".join(lines)


def map_precision(workspace: Workspace, cases: list[str]) -> dict[str, float]:
    """Average precision over the pooled foreground voxels of the anomaly map and of the first channel's intensity.

    Args:
        workspace: Folders and names of the demo.
        cases: Identifiers of the cases.
    """
    pooled = {"anomaly map": ScoreHistogram(), "intensity": ScoreHistogram()}
    for case in cases:
        image = _read(_image(workspace, case))
        brain = image != 0
        lesion = _read(_label(workspace, case))[brain] > 0
        score = _read(_validation(workspace, PRETRAINER) / f"{case}_map.nii.gz")
        pooled["anomaly map"].add(score[brain], lesion)
        pooled["intensity"].add(image[brain], lesion)
    return {name: average_precision(Curve.of(histogram)) for name, histogram in pooled.items()}


def outcome_picture(workspace: Workspace, path: Path) -> str:
    """One slice: input, reconstruction, anomaly map, ground truth, both predictions.

    Args:
        workspace: Folders and names of the demo.
        path: File to write, ending in ``.png``.

    Returns:
        Identifier of the case that is shown: the one with the median difference in Dice.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    tuned, scratch = (dice_per_case(workspace, t) for t in (FINE_TUNED, SCRATCH))
    order = sorted(set(tuned) & set(scratch), key=lambda c: tuned[c] - scratch[c])
    case = order[len(order) // 2]
    truth = _read(_label(workspace, case))
    z = int((truth > 0).sum((1, 2)).argmax())
    image = _read(_image(workspace, case))[z]
    folder = _validation(workspace, PRETRAINER)
    reconstruction = _read(folder / f"{case}_reconstruction_0000.nii.gz")[z]
    panels = [
        ("input", image, None),
        ("reconstruction", np.where(image != 0, reconstruction, reconstruction[image != 0].min()), None),
        ("anomaly map", _read(folder / f"{case}_map.nii.gz")[z], None),
        ("ground truth", image, truth[z]),
        (f"fine-tuned, Dice {tuned[case]:.2f}", image, _prediction(workspace, FINE_TUNED, case)[z]),
        (f"from scratch, Dice {scratch[case]:.2f}", image, _prediction(workspace, SCRATCH, case)[z]),
    ]
    rows, columns = _crop(image)
    figure, axes = plt.subplots(1, len(panels), figsize=(3 * len(panels), 3.4))
    for axis, (title, data, mask) in zip(axes, panels, strict=True):
        data = data[rows, columns]
        limits = np.percentile(data[image[rows, columns] != 0], [1, 99.5])
        style = {"cmap": "inferno", "vmin": 0} if title == "anomaly map" else {"cmap": "gray", "vmin": limits[0]}
        axis.imshow(data, vmax=limits[1], **style)
        if mask is not None and mask.any():
            axis.contour(mask[rows, columns] > 0, levels=[0.5], colors=["#ff5a3c"], linewidths=1.5)
        axis.set_title(title, fontsize=11)
        axis.axis("off")
    figure.suptitle(f"{plain_text(case)}, slice {z}", fontsize=9, color="0.4", y=0.03)
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)
    return case


def _crop(image: np.ndarray) -> tuple[slice, slice]:
    """The bounding box of the nonzero region."""
    ys, xs = np.nonzero(image)
    return slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)


def _validation(workspace: Workspace, trainer: str) -> Path:
    return workspace.fold_folder(trainer) / "validation"


def _ending(workspace: Workspace) -> str:
    path = workspace.preprocessed / workspace.dataset / "dataset.json"
    return load_dataset_json(path, labelled=False)["file_ending"]


def _label(workspace: Workspace, case: str) -> Path:
    ending = _ending(workspace)
    return workspace.preprocessed / workspace.dataset / "gt_segmentations" / f"{case}{ending}"


def _image(workspace: Workspace, case: str) -> Path:
    return workspace.raw / workspace.dataset / "imagesTr" / f"{case}_0000{_ending(workspace)}"


def _prediction(workspace: Workspace, trainer: str, case: str) -> np.ndarray:
    return _read(_validation(workspace, trainer) / f"{case}{_ending(workspace)}")


def _read(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def _name(path: str) -> str:
    return Path(path).name.split(".")[0]
