"""Predict and score the test cases of one cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nnunet_uad.common.nnunet import CHECKPOINT, channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.data.grids import reader_of
from nnunet_uad.data.image_files import channels_in
from nnunet_uad.data.raw_files import check_case
from nnunet_uad.inference.segmenter import load_segmenter, segment
from nnunet_uad.study.layout import Cell, Layout, MapCell
from nnunet_uad.study.running.commands import nnunet_environment, training_command
from nnunet_uad.study.running.scoring import score_segmentation


def load_cell(layout: Layout, cell: Cell) -> Any:
    """nnU-Net's predictor of a trained cell."""
    import os

    import torch

    # Before nnU-Net is imported: it reads its folders then.
    os.environ.update(nnunet_environment(layout))
    if layout.study.device == "cpu":
        torch.set_num_threads(layout.study.resources_of("test").threads)
    folder = training_command(layout, cell).folder
    return load_segmenter(
        folder.parent, folder.name.removeprefix("fold_"), CHECKPOINT, layout.study.mirroring, layout.study.device
    )


def score_cell(layout: Layout, cell: Cell, predictor: Any, dataset: str) -> list[dict[str, Any]]:
    """Segment and score the fold's validation cases, or all cases of a further dataset.

    Segmentations are left in ``cells/ARM/FOLD/DATASET``; probabilities are only scored.

    Returns:
        A row per case: its identifier and what :func:`score_segmentation` returns.

    Raises:
        ValueError: Images or labels are cut short, hold NaN or lie on other grids; names each file.
        FileNotFoundError: Files are gone since the study was planned.
    """
    ending = predictor.dataset_json["file_ending"]
    rows = []
    cases = list(cases_to_test(layout, cell, dataset))
    refuse_bad_cases({case: (images, label) for case, images, label, _ in cases}, predictor)
    for case, images, label, classes in tqdm(cases, desc=dataset):
        output = layout.cell_folder(cell.identifier) / dataset / f"{case}{ending}"
        output.parent.mkdir(parents=True, exist_ok=True)
        probabilities = segment(predictor, images, output)
        scores = score_segmentation(output, probabilities, label, predictor, classes)
        rows.append({"case": case, **scores})
    return rows


def refuse_bad_cases(cases: Mapping[str, tuple[Sequence[Path], Path]], predictor: Any) -> None:
    """Refuse test cases that nnU-Net would segment or compare without a word though they are damaged.

    Args:
        cases: Case → its images by channel, its labels.
        predictor: nnU-Net's predictor, with its model.

    Raises:
        ValueError: Files are cut short, hold NaN or lie on other grids; names each.
        FileNotFoundError: Files are missing.
    """
    reader, channels = reader_of(predictor.plans_manager), len(channel_names(predictor.dataset_json))
    wrong = []
    for case, (images, label) in cases.items():
        try:
            check_case(images, label, reader, channels)
        except ValueError as error:
            wrong.append(f"{case}: {error}")
    if wrong:
        raise ValueError(f"{len(wrong)} case(s) cannot be tested:\n  " + "\n  ".join(wrong))


def cases_to_test(
    layout: Layout, cell: Cell | MapCell, dataset: str
) -> Iterator[tuple[str, list[Path], Path, dict[str, Any]]]:
    """Case, images by channel, label, classes of a cell's test cases on a dataset."""
    if dataset == layout.plan["dataset"]:
        raw, preprocessed = (
            Path(layout.request["paths"][f"nnUNet_{kind}"]) / dataset for kind in ("raw", "preprocessed")
        )
        description = load_dataset_json(preprocessed / "dataset.json")
        images = raw_images(raw, description)
        for case in layout.tested(cell, dataset):
            label = preprocessed / "gt_segmentations" / f"{case}{description['file_ending']}"
            yield case, images[case], label, description["labels"]
        return
    files = channels_in(layout.images(dataset))
    (test,) = (t for t in layout.plan["tests"] if t["dataset"] == dataset)
    for case, label in test["labels"].items():
        yield case, [p for _, p in sorted(files[case].items())], Path(label), test["classes"]


def raw_images(raw: Path, description: dict[str, Any]) -> dict[str, list[Path]]:
    """The raw images of the study's dataset, channels in the order of the plans."""
    from nnunet_uad.data.cohort import raw_cases

    channels = channel_names(description)
    return {case.identifier: [Path(p) for p in case.images] for case in raw_cases(raw, channels)[0]}
