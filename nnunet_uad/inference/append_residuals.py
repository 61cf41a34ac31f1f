"""A raw nnU-Net dataset → the same dataset with residuals of a restorer as further channels, and test images for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.data.content import raw_contents
from nnunet_uad.data.grids import grid_difference
from nnunet_uad.data.whole_files import check_whole
from nnunet_uad.inference.channels import (
    CHANNELS_RECORD,
    ChannelExporter,
    check_ending,
    check_reconstructs,
    claim_folder,
    extended_dataset_json,
    place_file,
)
from nnunet_uad.inference.inputs import INPUTS_FILE, InputImages
from nnunet_uad.inference.model import ModelRequest, training_records
from nnunet_uad.inference.pipeline import list_cases, outdated_removed, predict_cases
from nnunet_uad.inference.predict import PredictResult, Say, copies_of_training, overlap_with_training
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.weights.leakage import Cases, Overlap, compared_by_name


@dataclass(frozen=True, kw_only=True)
class ChannelsRequest(ModelRequest):
    """A folder of raw images that get residual channels, for models that were trained on such a dataset.

    Attributes:
        images: Folder of raw images, named as for nnUNetv2_predict.
        output: Folder to write into.
        kinds: Kinds of further channels: ``signed``, ``absolute``, ``reconstruction``.
        overwrite: Whether to replace channels of another restorer.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> request = ChannelsRequest(model=model, images="IMAGES", output="WITH_RESIDUALS", device="cpu")
    """

    images: str | Path
    output: str | Path
    kinds: Sequence[str] = ("signed",)
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class AppendRequest(ModelRequest):
    """A raw dataset whose images get residual channels.

    Attributes:
        source: Folder of the dataset in nnUNet_raw.
        target: Folder of the dataset to write, ``DatasetXXX_Name`` in nnUNet_raw.
        kinds: Kinds of further channels: ``signed``, ``absolute``, ``reconstruction``.
        copy: Whether to copy images and labels instead of linking them.
        overwrite: Whether to replace channels of another restorer.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> source, target = "nnUNet_raw/Dataset901_Tumour", "nnUNet_raw/Dataset911_TumourResidual"
        >>> request = AppendRequest(model=model, source=source, target=target, device="cpu")
    """

    source: str | Path
    target: str | Path
    kinds: Sequence[str] = ("signed",)
    copy: bool = False
    overwrite: bool = False


def write_channels(request: ChannelsRequest, say: Say = print) -> PredictResult:
    """Write the images of a folder and their residual channels; finished cases are kept.

    Args:
        request: Images, restorer, kinds.
        say: Function that is told what the user should know before the work begins.

    Returns:
        What became of every case.

    Raises:
        ValueError: The restorer does not reconstruct, the format cannot hold residuals, there is no image, or the
            output holds channels that were made differently.
        FileNotFoundError: There is no such model, fold or folder of images.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> request = ChannelsRequest(model=model, images="IMAGES", output="WITH_RESIDUALS", device="cpu")
        >>> write_channels(request).failed
        {}
    """
    folds = request.fold_folders()
    restorer = request.load()
    trainer, ending, output = request.names.trainer, restorer.model.file_ending, Path(request.output)
    check_ending(ending)
    check_reconstructs(restorer, trainer)
    cases, failed = list_cases(Path(request.images), restorer.model.dataset)
    overlap = overlap_with_training(folds, cases, trainer, say)
    record = {
        "trainer": trainer,
        "kinds": list(request.kinds),
        "seed": restorer.seed,
        "mirroring": restorer.mirror_axes is not None,
        "restorers": _hashes(request, folds),
    }
    with folder_lock(output, say=say):
        claim_folder(output / CHANNELS_RECORD, record, [output], request.overwrite)
        exporter = ChannelExporter(output, cases, tuple(request.kinds), restorer.model, ending)
        inputs = InputImages(output / INPUTS_FILE)
        outdated_removed(exporter, inputs, cases, say)
        todo = {k: v for k, v in cases.items() if not exporter.is_done(k)}
        watch = copies_of_training(folds, trainer, say)
        failed |= predict_cases(restorer, exporter, todo, request.processes(len(todo)), inputs, watch)
    return PredictResult.of(cases, todo, failed, overlap)


def append_residuals(request: AppendRequest, say: Say = print) -> PredictResult:
    """Write the dataset; finished cases are kept, and ``dataset.json`` is written when nothing failed.

    Every training case is reconstructed by the folds that were not trained on it, test images by all folds. Labels and
    test images that the source no longer has are removed.

    Args:
        request: Dataset, restorer, kinds.
        say: Function that is told what the user should know before the work begins.

    Returns:
        What became of every case.

    Raises:
        ValueError: All folds were trained on a case, the restorer does not reconstruct or has other channels, the
            format cannot hold residuals, or the target holds channels that were made differently.
        FileNotFoundError: There is no such model, fold or dataset.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> source, target = "nnUNet_raw/Dataset901_Tumour", "nnUNet_raw/Dataset911_TumourResidual"
        >>> append_residuals(AppendRequest(model=model, source=source, target=target, device="cpu")).failed
        {}
    """
    source, target = Path(request.source), Path(request.target)
    dataset_json = load_dataset_json(source / "dataset.json", labelled=False)
    ending = dataset_json["file_ending"]
    check_ending(ending)
    _refuse_listed_files(source, dataset_json)
    folds = request.fold_folders()
    training, failed = list_cases(source / "imagesTr", dataset_json)
    labels = _checked_labels(source / "labelsTr", training, dataset_json)
    restorers = unseen_folds(raw_contents(training), folds, say)
    test: dict[str, list[str]] = {}
    failed_test: dict[str, str] = {}
    if (source / "imagesTs").is_dir() and any((source / "imagesTs").iterdir()):
        test, failed_test = list_cases(source / "imagesTs", dataset_json)
        failed |= failed_test
        overlap_with_training(folds, raw_contents(test), request.names.trainer, say)
    images = [target / "imagesTr", target / "imagesTs"]
    groups: dict[tuple[Path, ...], dict[str, list[str]]] = {}
    for case, chosen in restorers.items():
        groups.setdefault(chosen, {})[case] = training[case]
    jobs = [(chosen, cases, images[0]) for chosen, cases in groups.items()]
    jobs += [(tuple(folds), test, images[1])] if test else []
    # A model that does not suit must leave the target alone. One that does is kept for its turn: none is read twice.
    loaded = {chosen: _load_suitable(request, chosen, dataset_json) for chosen, _, _ in jobs[:1]}
    with folder_lock(target):
        claim_folder(target / CHANNELS_RECORD, _record(request, folds, restorers), images, request.overwrite)
        # Gone until all is done: nnU-Net takes a folder with dataset.json for a finished dataset.
        (target / "dataset.json").unlink(missing_ok=True)
        count = len(channel_names(dataset_json)) * (1 + len(request.kinds))
        kept = {f"{case}_{k:04d}{ending}" for case in (*test, *failed_test) for k in range(count)}
        withdrawn_removed(images[1], kept, say)
        withdrawn_removed(target / "labelsTr", {label.name for label in labels}, say)
        todo: list[str] = []
        for chosen, cases, folder in jobs:
            restorer = loaded.pop(chosen, None) or _load_suitable(request, chosen, dataset_json)
            done, wrong = _write_cases(request, restorer, cases, folder, dataset_json)
            todo += done
            failed |= wrong
        (target / "labelsTr").mkdir(exist_ok=True)
        for label in labels:
            place_file(label, target / "labelsTr" / label.name, request.copy)
        if not failed:
            write_json(target / "dataset.json", extended_dataset_json(dataset_json, request.kinds))
    return PredictResult.of([*training, *test], todo, failed, Overlap(()))


def _refuse_listed_files(source: Path, dataset_json: Mapping[str, Any]) -> None:
    """Refuse a dataset whose files lie elsewhere: nnU-Net would look for the written one's there, too.

    Raises:
        ValueError: Its dataset.json lists files; says what to do.
    """
    if "dataset" in dataset_json:
        raise ValueError(
            f"{source / 'dataset.json'}: dataset lists files of {len(dataset_json['dataset'])} case(s); residuals are "
            "appended to what imagesTr, labelsTr and imagesTs hold. Link the files there under nnU-Net's names, and "
            "remove dataset."
        )


def withdrawn_removed(folder: Path, kept: Collection[str], say: Say) -> None:
    """Delete files that the source no longer has; the user is told.

    Args:
        folder: Folder of the written dataset, which need not exist.
        kept: Names of the files that stay.
        say: Function that is told which files.
    """
    gone = sorted(p for p in folder.glob("[!.]*") if p.name not in kept)
    for path in gone:
        path.unlink()
    if gone:
        names = f"{', '.join(p.name for p in gone[:5])}{' …' if len(gone) > 5 else ''}"
        say(f"{folder.name}: {names}: no longer in the source, removed.")


def _checked_labels(folder: Path, cases: Mapping[str, Sequence[str]], dataset_json: Mapping[str, Any]) -> list[Path]:
    """The labels of a dataset, which must be whole and lie on their images' grid.

    Raises:
        ValueError: Some do not; names each.
    """
    ending = dataset_json["file_ending"]
    labels = sorted(p for p in folder.glob("*") if p.name.endswith(ending) and p.name[0] != ".")
    wrong = []
    for label in labels:
        images = cases.get(label.name.removesuffix(ending))
        difference = ""
        try:
            check_whole(label)
            difference = grid_difference(label, Path(images[0])) if images else ""
        except ValueError as error:
            wrong.append(str(error))
        if images and difference:
            wrong.append(f"{label.name} has {difference}, as in {Path(images[0]).name}.")
    if wrong:
        raise ValueError(f"{len(wrong)} label(s) in {folder} do not fit their images:\n  " + "\n  ".join(wrong))
    return labels


def unseen_folds(cases: Cases, folds: Sequence[Path], say: Say = print) -> dict[str, tuple[Path, ...]]:
    """For every case the folds that were not trained on it.

    Args:
        cases: Cases, with the fingerprints of their raw images where they are known.
        folds: Folders of the folds.
        say: Function that is told of records that hold no fingerprints.

    Raises:
        ValueError: All folds were trained on a case, whose residual would be too small, or nobody knows what a fold
            was trained on.
    """
    records = {fold: training_records([fold]) for fold in folds}
    unknown = [fold.name for fold, record in records.items() if not record]
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)} of {folds[0].parent} lacks pretrained.safetensors, so nobody knows which cases it "
            "has seen. Copy the file that the training wrote beside the checkpoint."
        )
    for fold, (record,) in records.items():
        if record.strangers:
            raise ValueError(
                f"{fold} went on from {record.strangers[0].file}, which has no record of its pretraining, so nobody "
                "knows which cases it has seen. Use a model that began with random weights, or with ones that "
                "have a record."
            )
        if not all(seen.contents for seen in record.lineage):
            say(f"WARNING: {compared_by_name(str(fold))}")
    seen = {fold: Overlap.of(found, cases) for fold, found in records.items()}
    everywhere = set.intersection(*(set(overlap.cases) for overlap in seen.values()))
    if overlap := seen[folds[0]].only(everywhere):
        consequence = (
            "A model reconstructs what it has seen too well. Train the folds that leave them out, then run this again."
        )
        raise ValueError(overlap.finding(f"every fold ({', '.join(f.name for f in folds)})", consequence))
    return {case: tuple(f for f in folds if case not in seen[f].cases) for case in cases}


def _record(request: AppendRequest, folds: Sequence[Path], restorers: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    return {
        "source": Path(request.source).name,
        "trainer": request.names.trainer,
        "configuration": request.names.configuration,
        "plans": request.names.plans,
        "kinds": list(request.kinds),
        "seed": request.seed,
        "mirroring": request.mirroring,
        "restorers": _hashes(request, folds),
        "restored_by": {case: [f.name for f in chosen] for case, chosen in restorers.items()},
    }


def _hashes(request: ModelRequest, folds: Sequence[Path]) -> dict[str, str]:
    return {f.name: file_hash(f / request.checkpoint) for f in folds}


def _load_suitable(request: AppendRequest, folds: Sequence[Path], dataset_json: dict[str, Any]) -> Restorer:
    """The restorer of some folds, which must reconstruct the dataset's channels.

    Raises:
        ValueError: It does not reconstruct, or expects other channels.
    """
    restorer = request.load(folds)
    expected, present = restorer.model.channel_names, channel_names(dataset_json)
    if expected != present:
        raise ValueError(
            f"The restorer expects the channels {', '.join(expected)}, the dataset has {', '.join(present)}."
        )
    check_reconstructs(restorer, request.names.trainer)
    return restorer


def _write_cases(
    request: AppendRequest,
    restorer: Restorer,
    cases: dict[str, list[str]],
    folder: Path,
    dataset_json: dict[str, Any],
) -> tuple[list[str], dict[str, str]]:
    """Reconstruct the cases with the mean of the restorer's folds; returns what was to do, and what failed."""
    folder.mkdir(parents=True, exist_ok=True)
    ending = dataset_json["file_ending"]
    exporter = ChannelExporter(folder, cases, tuple(request.kinds), restorer.model, ending, request.copy)
    inputs = InputImages(folder.parent / f"{folder.name}_{INPUTS_FILE}")
    outdated_removed(exporter, inputs, cases, print)
    todo = {k: v for k, v in cases.items() if not exporter.is_done(k)}
    failed = predict_cases(restorer, exporter, todo, request.processes(len(todo)), inputs)
    return list(todo), failed
