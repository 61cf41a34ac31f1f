"""Raw images → what is written of them in their own geometry; all but the networks runs in the background."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from tqdm import tqdm

from nnunet_uad.common.ending import process_pool
from nnunet_uad.common.files import DiskFullError
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.data.grids import reader_of
from nnunet_uad.data.image_files import COLOURS, channels_in, ending_of
from nnunet_uad.data.raw_files import check_case
from nnunet_uad.inference.case import ReconstructedCase, ScoredCase
from nnunet_uad.inference.inputs import InputImages, images_hash
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.scoring.score_settings import ScoreSettings, score_settings

#: Among the properties of a prepared case: hash of its raw images.
IMAGES_HASH = "nnunet_uad_images"
#: A prepared case, and a case after the networks.
P = TypeVar("P")
C = TypeVar("C")
#: Image (C, z, y, x), foreground (z, y, x), properties.
Prepared = tuple[np.ndarray, np.ndarray, dict[str, Any]]


class CaseWriter(Protocol):
    """What becomes of a case: :class:`Exporter` writes maps, :class:`ChannelExporter` residual channels."""

    @property
    def settings(self) -> ScoreSettings:
        """Settings of the score."""

    def write(self, case: ScoredCase) -> None:
        """Write the case."""


class Outputs(Protocol):
    """Where the files of a case lie, and whether they are there."""

    def is_done(self, identifier: str) -> bool:
        """Whether all files of a case exist."""

    def remove(self, identifier: str) -> None:
        """Delete all files of a case, those of kinds that are not wanted now as well."""


def outdated_removed(
    outputs: Outputs, inputs: InputImages, cases: Mapping[str, list[str]], say: Callable[[str], object]
) -> None:
    """Delete what is there of cases whose images are others now, so that it is made again; the user is told.

    Args:
        outputs: Files of the cases.
        inputs: Record of the images that they were made of.
        cases: Files of every case, in the order of the channels.
        say: Function that is told which cases.
    """
    outdated = [case for case, files in cases.items() if outputs.is_done(case) and inputs.changed(case, files)]
    for case in outdated:
        outputs.remove(case)
    told = [case for case in outdated if case in inputs.hashes]
    if told:
        say(f"The images of {', '.join(told[:5])}{' …' if len(told) > 5 else ''} have changed: they are done again.")


class SameProcess(Executor):
    """Runs jobs at once, in this process: what 0 processes stand for."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Run ``function`` and keep its result or its exception."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def list_cases(folder: Path, dataset_json: Mapping[str, Any]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Images of a folder by case, in the order of the model's channels.

    Args:
        folder: Folder of raw images, named as nnU-Net names them.
        dataset_json: Content of the model's ``dataset.json``.

    Returns:
        Case → files, and case → what is wrong with it.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The folder holds no image.
    """
    names = channel_names(dataset_json)
    ending = dataset_json["file_ending"]
    good: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    for case, images in channels_in(folder).items():
        wrong = sorted({ending_of(p) for p in images.values()} - {ending})
        # A photograph: its channels are its colours, in one file.
        photograph = set(images) == {0} and ending in COLOURS
        if sorted(images) != list(range(len(names))) and not photograph:
            failed[case] = (
                f"expected {len(names)} channel(s) ({', '.join(names)}: "
                f"{', '.join(f'_{k:04d}' for k in range(len(names)))}), found "
                f"{', '.join(f'_{k:04d}' for k in sorted(images))}"
            )
        elif wrong:
            failed[case] = f"the model reads {ending}, found {', '.join(wrong)}"
        else:
            good[case] = [str(images[k]) for k in sorted(images)]
    return good, failed


def prepare(files: Sequence[str], model: ModelPlan) -> Prepared:
    """nnU-Net's preprocessing of a raw case.

    Args:
        files: Images, one per channel in their order.
        model: Plan of the model.

    Raises:
        ValueError: A file is cut short, holds NaN or several volumes, or lies on another grid than the first.
        FileNotFoundError: A file is missing.
    """
    check_case(files, reader=reader_of(model.plans), channels=len(model.channel_names))
    # Before they are read: whoever changes them now is noticed the next time.
    inputs = images_hash(files)
    preprocessor = model.configuration.preprocessor_class(verbose=False)
    data, seg, properties = preprocessor.run_case(list(files), None, model.plans, model.configuration, model.dataset)
    image = np.asarray(data, dtype=np.float32)
    if not np.isfinite(image).all():
        raise ValueError("the image holds NaN or infinite values. Fix it.")
    return image, np.asarray(seg)[0] >= 0, {**properties, IMAGES_HASH: inputs}


def reconstruct_prepared(
    restorer: Restorer, identifier: str, prepared: Prepared, sources: Collection[str] = (), draws: int = 1
) -> ReconstructedCase:
    """Reconstruct a preprocessed case and let the model judge it, whichever it can: what needs the device.

    Args:
        restorer: Trained model.
        identifier: Identifier of the case.
        prepared: Case after nnU-Net's preprocessing.
        sources: Sources of the scores that are wanted: features are compared for a score alone.
        draws: Number of reconstructions whose mean and spread are wanted; with 1 there is one, without a spread.
    """
    image, foreground, properties = prepared
    if draws > 1:
        mean, spread = restorer.reconstruct_draws(image, foreground, draws)
        return ReconstructedCase(identifier, image, mean, foreground, properties, spread=spread)
    restoration = restorer.restoration
    reconstruction = detection = None
    if restoration.reconstructs and restoration.detects:
        reconstruction, detection = restorer.reconstruct_and_detect(image, foreground)
    elif restoration.reconstructs:
        reconstruction = restorer.reconstruct(image, foreground)
    elif restoration.detects:
        detection = restorer.detect(image)
    features = None
    if reconstruction is not None and "features" in sources:
        features = restorer.compare(image, reconstruction, foreground)
    return ReconstructedCase(identifier, image, reconstruction, foreground, properties, detection, features)


def score_prepared(restorer: Restorer, identifier: str, prepared: Prepared, settings: ScoreSettings) -> ScoredCase:
    """Reconstruct a preprocessed case, let the model judge it, whichever it can, and score it.

    Args:
        restorer: Trained model.
        identifier: Identifier of the case.
        prepared: Case after nnU-Net's preprocessing.
        settings: Settings of the score.
    """
    wanted = [restorer.source(settings)]
    case = reconstruct_prepared(restorer, identifier, prepared, wanted, settings.reconstructions)
    return restorer.scorer.scored(case, settings)


def score_and_write(scorer: Scorer, writer: CaseWriter, case: ReconstructedCase) -> None:
    """What is left of a case once the networks are done; needs no device.

    Args:
        scorer: Way of scoring.
        writer: Writer of the case.
        case: Case on the preprocessed grid.
    """
    writer.write(scorer.scored(case, writer.settings))


def score_files(restorer: Restorer, files: Sequence[str | Path], settings: ScoreSettings | None = None) -> ScoredCase:
    """One raw case in memory: its reconstruction and its score, nothing is written.

    Args:
        restorer: Trained model.
        files: Images of the case, one per channel in the order of the model's channels.
        settings: Settings of the score; those of the training if omitted.

    Raises:
        ValueError: An image holds NaN or infinite voxels, or the number of images is not that of the channels.

    Example:
        >>> from nnunet_uad.inference.model import load_restorer
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> restorer = load_restorer(model, device="cpu")
        >>> case = score_files(restorer, ["IMAGES/case_0000.nii.gz", "IMAGES/case_0001.nii.gz"])
        >>> case.score.shape == case.image.shape[1:]
        True
        >>> anomaly_map = restorer.model.original_geometry(case.score[None], case.properties)[0]
    """
    names = restorer.model.channel_names
    if len(files) != len(names) and not (len(files) == 1 and restorer.model.file_ending in COLOURS):
        raise ValueError(f"The model reads {len(names)} channel(s) ({', '.join(names)}), found {len(files)} file(s).")
    prepared = prepare([str(f) for f in files], restorer.model)
    identifier = Path(files[0]).name.removesuffix(restorer.model.file_ending).removesuffix("_0000")
    return score_prepared(restorer, identifier, prepared, settings or score_settings(restorer.settings))


def predict_cases(
    restorer: Restorer,
    exporter: CaseWriter,
    cases: Mapping[str, list[str]],
    processes: tuple[int, int],
    inputs: InputImages,
    watch: Callable[[str, np.ndarray], object] = lambda identifier, image: None,
) -> dict[str, str]:
    """Predict all cases; one that fails does not stop the others.

    Args:
        restorer: Trained model.
        exporter: Writer of the cases.
        cases: Files of every case, in the order of the channels.
        processes: Numbers of processes that preprocess, and that score and write; with 0 this one does it.
        inputs: Record of the images of the cases that are written.
        watch: Function that sees identifier and preprocessed image (C, z, y, x) of every case before it is written.

    Returns:
        Case → why it failed.
    """
    scorer, wanted = restorer.scorer, [restorer.source(exporter.settings)]

    def reconstructed(identifier: str, prepared: Prepared) -> tuple[str, ReconstructedCase]:
        """Hash of the images of a case, and what the networks made of them."""
        case = reconstruct_prepared(restorer, identifier, prepared, wanted, exporter.settings.reconstructions)
        watch(identifier, case.image)
        return case.properties[IMAGES_HASH], case

    finish = partial(score_and_write, scorer, exporter)
    return run_cases(cases, partial(prepare, model=restorer.model), reconstructed, finish, processes, inputs)


def run_cases(
    cases: Mapping[str, list[str]],
    prepare_files: Callable[[list[str]], P],
    compute: Callable[[str, P], tuple[str, C]],
    finish: Callable[[C], object],
    processes: tuple[int, int],
    inputs: InputImages,
) -> dict[str, str]:
    """Prepare cases in the background, compute here, finish in the background; a case that fails stops no other.

    Args:
        cases: Files of every case, in the order of the channels.
        prepare_files: Function that travels to worker processes: files of a case → the case, prepared.
        compute: Function that needs the device: identifier and prepared case → hash of its images, and the case.
        finish: Function that travels to worker processes and writes a case.
        processes: Numbers of processes that prepare and that finish; with 0 this one does it.
        inputs: Record of the images of the cases that are written.

    Returns:
        Case → why it failed.
    """
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        preparing, writing = (stack.enter_context(worker_pool(number)) for number in processes)
        outstanding: deque[tuple[str, str, Future[Any]]] = deque()
        jobs = _ahead(preparing, cases, prepare_files, processes[0] + 1)
        for identifier, job in tqdm(jobs, total=len(cases), desc="predicting"):
            try:
                images, case = compute(identifier, job.result())
            except Exception as error:
                # Whatever is wrong with one case, the others are finished; the caller lists it.
                failed[identifier] = _in_words(error)
                continue
            outstanding.append((identifier, images, writing.submit(finish, case)))
            # Volumes wait in memory until they are written; not too many of them.
            while len(outstanding) > processes[1] + 1:
                _collect(*outstanding.popleft(), failed, inputs)
        while outstanding:
            _collect(*outstanding.popleft(), failed, inputs)
    return failed


def _ahead(
    pool: Executor, cases: Mapping[str, list[str]], prepare_files: Callable[[list[str]], Any], count: int
) -> Iterator[tuple[str, Future]]:
    """Futures of prepared cases in order, at most ``count`` ahead of what is consumed."""
    waiting: deque[tuple[str, Future]] = deque()
    for identifier, files in cases.items():
        waiting.append((identifier, pool.submit(prepare_files, files)))
        if len(waiting) >= count:
            yield waiting.popleft()
    yield from waiting


def _collect(identifier: str, images: str, job: Future[Any], failed: dict[str, str], inputs: InputImages) -> None:
    error = job.exception()
    if error is not None:
        failed[identifier] = _in_words(error)
    else:
        # Last: what is written without being noted counts as made of unknown images, and is made again.
        inputs.add(identifier, images)


def _in_words(error: BaseException) -> str:
    return str(error) if isinstance(error, (ValueError, DiskFullError)) else f"{type(error).__name__}: {error}"


def worker_pool(processes: int) -> Executor:
    """Processes for work beside the networks.

    Args:
        processes: Number of processes; with 0 jobs run where they are submitted.
    """
    if processes <= 0:
        return SameProcess()
    return process_pool(processes)
