"""What the demo ends with: a small table and one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.common.plain_text import plain_text
from nnunet_uad.demo.story import FINE_TUNED, PRETRAINER, SCRATCH, Workspace
from nnunet_uad.evaluation.cases import MAP
from nnunet_uad.evaluation.floors import main_floor
from nnunet_uad.evaluation.folders import evaluate_folders
from nnunet_uad.evaluation.request import EvaluationRequest
from nnunet_uad.inference.names import DEFAULT_THRESHOLD
from nnunet_uad.metrics.bootstrap import mean_interval
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.scoring.thresholds import THRESHOLDS_FILE, ThresholdsForm, resolve_threshold

_MAP = "anomaly map"
#: What one training each cannot tell.
_COMPARE = (
    "One labelled case and one seed cannot tell which of the two trainings is better:",
    "nnunet_uad study compares them over many draws and cases.",
)


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
    """What the pretraining finds without labels, and what one labelled case adds, with intervals over cases.

    Args:
        workspace: Folders and names of the demo.

    Raises:
        RuntimeError: No validation case holds a labelled voxel.
    """
    tuned, scratch = (dice_per_case(workspace, t) for t in (FINE_TUNED, SCRATCH))
    cases = sorted(set(tuned) & set(scratch))
    if not cases:
        raise RuntimeError("No validation case holds a labelled voxel, so there is nothing to score.")
    lines = [f"{len(cases)} test case(s), 95 % bootstrap intervals over cases", "", "Detection without any label:"]
    found = detection(workspace, cases)
    for name, score in found.items():
        precision = score["pooled"]["AP"]
        lines.append(_line(f"average precision, {name}", precision["value"], precision["interval_95"]))
    for mask in (m for kind, m in found[_MAP]["masks"].items() if kind == DEFAULT_THRESHOLD):
        recall, wrong = (mask["pooled"][k]["value"] for k in ("lesion_recall", "false_positives_per_scan"))
        lines.append(_line("lesions found, 1 % of healthy voxels marked", recall, None))
        lines.append(_line("false findings per scan", wrong, None))
    lines += ["", "Segmentation after one labelled case:"]
    for name, scores in {"fine-tuned": tuned, "the same from scratch": scratch}.items():
        values = [scores[c] for c in cases]
        lines.append(_line(f"Dice, {name}", float(np.mean(values)), mean_interval(values)))
    return "\n".join([*lines, "", *_COMPARE])


def _line(label: str, value: float | None, interval: tuple[float, float] | None) -> str:
    shown = "undefined: there is no lesion" if value is None else f"{value:.3f}"
    spread = f"  [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    return f"  {label:46s} {shown}{spread}"


def detection(workspace: Workspace, cases: list[str]) -> dict[str, dict[str, Any]]:
    """How well the pretraining's anomaly maps and the strongest floor, the image as it is, find what is labelled.

    Both as ``nnunet_uad evaluate`` scores them.

    Args:
        workspace: Folders and names of the demo.
        cases: Identifiers of the cases.

    Returns:
        Name of the score → its pooled values and those of its masks.

    Raises:
        RuntimeError: A map cannot be scored; says why.
    """
    description = _description(workspace)
    labels = description.get("labels", {})
    values = {int(v) for entry in labels.values() for v in (entry if isinstance(entry, list) else [entry])}
    main = main_floor(ScoreSettings(), channel_names(description))
    summary = evaluate_folders(
        EvaluationRequest(
            maps=[_validation(workspace, PRETRAINER)],
            labels=_label(workspace, cases[0]).parent,
            lesion_labels=sorted(values - {0, labels.get("ignore")}),
            ignore_label=labels.get("ignore"),
            images=_image(workspace, cases[0]).parent,
            baselines={f"intensity:{main.name}": main.channel},
            floors=[main],
            healthy_cases=True,
            only=cases,
        )
    )
    if summary["failed"]:
        reasons = "\n  ".join(f"{case}: {reason}" for case, reason in summary["failed"].items())
        raise RuntimeError(f"Anomaly maps could not be scored:\n  {reasons}")
    floor = summary["strongest_floor"]
    return {_MAP: summary["scores"][MAP]} | ({floor["score"]: summary["scores"][floor["score"]]} if floor else {})


def outcome_picture(workspace: Workspace, path: Path) -> str:
    """One slice: what the pretraining makes of it without labels, and what one labelled case adds.

    Args:
        workspace: Folders and names of the demo.
        path: File to write, ending in ``.png``.

    Returns:
        Identifier of the case that is shown: the one of the median Dice.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    tuned = dice_per_case(workspace, FINE_TUNED)
    order = sorted(tuned, key=lambda c: tuned[c])
    case = order[len(order) // 2]
    truth = _read(_label(workspace, case))
    z = int((truth > 0).sum((1, 2)).argmax())
    image = _read(_image(workspace, case))[z]
    folder = _validation(workspace, PRETRAINER)
    reconstruction = _read(folder / f"{case}_reconstruction_0000.nii.gz")[z]
    score = _read(folder / f"{case}_map.nii.gz")[z]
    panels = [
        ("input", image, None),
        ("reconstruction", np.where(image != 0, reconstruction, reconstruction[image != 0].min()), None),
        (_MAP, score, None),
        ("found without any label", image, _found(workspace, score)),
        (f"segmented, one label: Dice {tuned[case]:.2f}", image, _prediction(workspace, FINE_TUNED, case)[z]),
        ("ground truth", image, truth[z]),
    ]
    rows, columns = _crop(image)
    figure, axes = plt.subplots(1, len(panels), figsize=(3 * len(panels), 3.4))
    for axis, (title, data, mask) in zip(axes, panels, strict=True):
        data = data[rows, columns]
        limits = np.percentile(data[image[rows, columns] != 0], [1, 99.5])
        style = {"cmap": "inferno", "vmin": 0} if title == _MAP else {"cmap": "gray", "vmin": limits[0]}
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


def _found(workspace: Workspace, score: np.ndarray) -> np.ndarray:
    """What a map marks at the threshold that is stored with the model."""
    record = read_mapping(workspace.fold_folder(PRETRAINER) / THRESHOLDS_FILE, form=ThresholdsForm)
    return score >= resolve_threshold(DEFAULT_THRESHOLD, record["thresholds"])


def _crop(image: np.ndarray) -> tuple[slice, slice]:
    """The bounding box of the nonzero region."""
    ys, xs = np.nonzero(image)
    return slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)


def _validation(workspace: Workspace, trainer: str) -> Path:
    return workspace.fold_folder(trainer) / "validation"


def _description(workspace: Workspace) -> dict[str, Any]:
    return load_dataset_json(workspace.preprocessed / workspace.dataset / "dataset.json", labelled=False)


def _ending(workspace: Workspace) -> str:
    return str(_description(workspace)["file_ending"])


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
