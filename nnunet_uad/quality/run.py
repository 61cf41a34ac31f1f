"""A folder of raw scans → which are fit for a model, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from nnunet_uad.common.files import write_json
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.workers import background_processes
from nnunet_uad.inference.model import ModelRequest
from nnunet_uad.inference.pipeline import list_cases, worker_pool
from nnunet_uad.quality.agreement import AgreementLimit, agreement_findings
from nnunet_uad.quality.anomaly import AnomalyLimit, anomaly_findings
from nnunet_uad.quality.calibration import Calibration, most_called
from nnunet_uad.quality.descriptors import CHANNELS, FILE
from nnunet_uad.quality.findings import Finding, judge, worst
from nnunet_uad.quality.names import DEFAULT_RATE, MAPS_FOLDER, PAGE, RECORD, SEGMENTATIONS_FOLDER, UNFIT
from nnunet_uad.quality.page import write_page
from nnunet_uad.quality.pictures import scan_picture
from nnunet_uad.quality.reference import Reference
from nnunet_uad.quality.tables import write_table
from nnunet_uad.quality.training_scans import TrainingScans, scan_profile
from nnunet_uad.screening.models import SupervisedModel

#: Of what is said of the very training scans that set the limits.
_CONFIDENCE = 0.95
Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """Scans to check, and what they are compared with.

    Attributes:
        images: Folder of raw images, named as for nnUNetv2_predict.
        training: Training scans that the reference is made of.
        reference: File of a reference that was made elsewhere; that of ``training`` if ``None``.
        output: Folder for table and page, maps and segmentations; nothing is written if ``None``.
        pretrainer: Pretrainer whose anomaly maps are to be judged as well, if any.
        known: Model that segments, whose folds are to be compared as well, if any.
        device: Device of the model that segments.
        mirroring: Whether the model that segments uses the test-time mirroring that the training allows.
        rate: Share of scans like the training's that may be called unfit, by all that is judged together but the
            agreement of folds, of which nothing is promised.
        processes: Number of processes that read scans; with 0 this one does it, with ``None`` it follows from cores,
            memory and scans.

    Example:
        >>> folder = Path("nnUNet_preprocessed") / "Dataset901_Tumour"
        >>> training = TrainingScans(folder, plans="nnUNetPlans", configuration="2d")
        >>> request = CheckRequest(images="IMAGES", training=training, output=Path("CHECKED"))
    """

    images: str | Path
    training: TrainingScans
    reference: Path | None = None
    output: Path | None = None
    pretrainer: ModelRequest | None = None
    known: SupervisedModel | None = None
    device: str = "cuda"
    mirroring: bool = True
    rate: float = DEFAULT_RATE
    processes: int | None = 0

    def __post_init__(self) -> None:
        if self.output is None and (self.pretrainer or self.known):
            raise ValueError("Maps and segmentations need a folder to be written into: -o FOLDER")

    @property
    def rate_of_each(self) -> float:
        """Share of false alarms of each part: of the comparison with the training scans, and of maps."""
        return self.rate / (1 + (self.pretrainer is not None))


@dataclass(frozen=True)
class CheckResult:
    """What was found.

    Attributes:
        findings: Findings by scan.
        failed: Reasons why scans could not be checked.
        promise: Sentence that says what was compared with what, and how often fit scans are called unfit.
        page: Page that was written, if any.
    """

    findings: Mapping[str, Sequence[Finding]]
    failed: Mapping[str, str] = field(default_factory=dict)
    promise: str = ""
    page: Path | None = None

    @property
    def unfit(self) -> list[str]:
        """Identifiers of the scans that are unfit."""
        return sorted(case for case, found in self.findings.items() if worst(found) == UNFIT)


def check_folder(request: CheckRequest, say: Say = print) -> CheckResult:
    """Check all scans of a folder.

    Args:
        request: Scans, and what they are compared with.
        say: Function that is told what the user should know before the work begins.

    Returns:
        What was found in every scan; one that fails does not stop the others.

    Raises:
        ValueError: The dataset, its plans or the reference are damaged, there is no image, or a model cannot be judged
            by: it has one fold only, or was not validated.
        FileNotFoundError: There is no folder of images, no such model, or neither a reference nor training scans.
        LockedError: Another process writes into the output.
    """
    _refuse_other_contents(request.output)
    given, rate, training = request.reference, request.rate_of_each, request.training
    reference = training.reference(say) if given is None else training.made_elsewhere(given)
    calibration = Calibration.of(reference.names, reference.values, rate)
    # Before the work begins: a model that cannot be judged by is refused.
    anomaly = None if request.pretrainer is None else AnomalyLimit.of(request.pretrainer, rate)
    agreement = None if request.known is None else AgreementLimit.of(request.known, rate)
    setup = reference.setup
    dataset = {"channel_names": dict(enumerate(setup.channels)), "file_ending": setup.file_ending}
    cases, incomplete = list_cases(Path(request.images), dataset)
    parts = [(len(reference.values), calibration.rate), *([(anomaly.count, anomaly.rate)] if anomaly else [])]
    promise = promise_in_words(parts, agreement is not None)
    say(promise)
    findings: dict[str, list[Finding]] = {
        case: [Finding(CHANNELS, UNFIT, sentence=f"Files are missing: {reason}. Give every channel its file.")]
        for case, reason in incomplete.items()
    }
    with nullcontext() if request.output is None else folder_lock(request.output, say=say):
        examined, failed = examine_all(cases, reference, calibration, request.processes)
        findings |= {case: found for case, (found, _) in examined.items()}
        readable = {case: cases[case] for case, (_, picture) in examined.items() if picture}
        failed |= _models(request, anomaly, agreement, readable, findings, say)
        page = None
        if request.output is not None:
            pictures = {case: picture for case, (_, picture) in examined.items()}
            page = _write(request, promise, findings, pictures, failed)
    return CheckResult(findings, failed, promise, page)


def _models(
    request: CheckRequest,
    anomaly: AnomalyLimit | None,
    agreement: AgreementLimit | None,
    cases: Mapping[str, list[str]],
    findings: Mapping[str, list[Finding]],
    say: Say,
) -> dict[str, str]:
    """Add what the models say to the findings; case → why a model could not read it."""
    folder = Path(request.output or "")
    failed: dict[str, str] = {}
    if anomaly is not None and request.pretrainer is not None:
        maps = folder / MAPS_FOLDER
        found, reasons = anomaly_findings(request.pretrainer, Path(request.images), maps, anomaly, cases, say)
        failed |= reasons
        for case, finding in found.items():
            findings[case].append(finding)
    if agreement is not None and request.known is not None:
        run = {"mirroring": request.mirroring, "device": request.device}
        place = folder / SEGMENTATIONS_FOLDER
        found, reasons = agreement_findings(request.known, cases, place, agreement, run, say)
        failed |= reasons
        for case, finding in found.items():
            findings[case].append(finding)
    return failed


def promise_in_words(parts: Sequence[tuple[int, float]], folds: bool = False) -> str:
    """What is compared with what, and how often fit scans are called unfit.

    Args:
        parts: Number of scans that a limit was set by, and its rate; the rates add up. The comparison with the training
            scans comes first.
        folds: Whether the agreement of folds is judged besides.
    """
    count, rate = parts[0]
    few = " (so few scans cannot promise less)" if rate == 1 / (count + 1) else ""
    sure = 1 - (1 - _CONFIDENCE) / len(parts)
    most = min(1.0, sum(most_called(number, own, sure) for number, own in parts))
    return (
        f"Compared with {count} training scans: of scans like them at most {100 * sum(r for _, r in parts):.3g} % are "
        f"called unfit{few}, as a mean over such cohorts; with this one up to {100 * most:.3g} % "
        f"({100 * _CONFIDENCE:.0f} % confidence)."
        + " How many more are for the agreement of the folds is not promised."
        * folds
    )


def examine_all(
    cases: Mapping[str, Sequence[str]], reference: Reference, calibration: Calibration, processes: int | None
) -> tuple[dict[str, tuple[list[Finding], str]], dict[str, str]]:
    """Examine scans; one that fails stops no other.

    Args:
        cases: Images of every scan, in the order of the channels.
        reference: Training scans.
        calibration: Limits of the checks.
        processes: Number of processes that read scans; with 0 this one does it, with ``None`` it follows from cores,
            memory and scans.

    Returns:
        Findings and picture by scan, and reasons why scans could not be checked.
    """
    examined, failed = {}, {}
    processes = background_processes(processes, len(cases), "cpu")
    names, at_once = list(cases), 4 * max(1, processes)
    with worker_pool(processes) as pool, tqdm(total=len(names), desc="checking") as bar:
        for start in range(0, len(names), at_once):
            some = names[start : start + at_once]
            jobs = {case: pool.submit(examine, cases[case], reference, calibration) for case in some}
            for case, job in jobs.items():
                try:
                    examined[case] = job.result()
                except (OSError, RuntimeError) as error:
                    failed[case] = f"{type(error).__name__}: {error}"
                bar.update()
    return examined, failed


def examine(files: Sequence[str], reference: Reference, calibration: Calibration) -> tuple[list[Finding], str]:
    """Examine a scan; travels to worker processes.

    Args:
        files: Images, one per channel in their order.
        reference: Training scans.
        calibration: Limits of the checks.

    Returns:
        Findings and picture; none of a file that nnU-Net would refuse.
    """
    try:
        scan, profile = scan_profile(files, reference.setup)
    except ValueError as error:
        return [Finding(FILE, UNFIT, sentence=f"It cannot be read: {error}")], ""
    return judge(profile, reference, calibration), scan_picture(scan, reference.setup.channels, reference.mean)


def _write(
    request: CheckRequest,
    promise: str,
    findings: Mapping[str, Sequence[Finding]],
    pictures: Mapping[str, str],
    failed: Mapping[str, str],
) -> Path:
    """Table, page and record, the record last."""
    folder = Path(request.output or "")
    write_table(folder, findings, failed)
    dataset = request.training.preprocessed.name
    page = write_page(folder, f"Are these scans fit for {dataset}?", promise, findings, pictures, failed)
    verdicts = {case: worst(found) for case, found in sorted(findings.items())}
    record = {
        "dataset": dataset,
        "rate": request.rate,
        "promise": promise,
        "verdicts": verdicts,
        "failed": dict(failed),
    }
    write_json(folder / RECORD, record)
    return page


def _refuse_other_contents(folder: Path | None) -> None:
    """Refuse to write over a page that this command did not make.

    Raises:
        ValueError: It is a file, or holds another page.
    """
    if folder is None:
        return
    if folder.is_file():
        raise ValueError(f"-o expects a folder to write into, found the file {folder}.")
    if (folder / PAGE).is_file() and not (folder / RECORD).is_file():
        raise ValueError(f"{folder} holds a page of another command. Choose another -o.")
