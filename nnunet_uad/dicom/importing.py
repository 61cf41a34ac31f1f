"""DICOM files to nnU-Net's images, with a record of where each slice came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from SimpleITK import Image
from tqdm import tqdm

from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.whole_image import write_image
from nnunet_uad.data.image_files import images_in
from nnunet_uad.dicom.case_names import case_names, names_patient
from nnunet_uad.dicom.headers import headers_below
from nnunet_uad.dicom.names import NUMBERS, RECORD
from nnunet_uad.dicom.record import CaseRecord, ChannelRecord, Record
from nnunet_uad.dicom.rules import Rule, chosen_series
from nnunet_uad.dicom.series import Series, Study, studies_of
from nnunet_uad.dicom.slices import grid_of_slices
from nnunet_uad.dicom.volumes import on_grid_of, read_series

Say = Callable[[str], object]
_ENDING = ".nii.gz"


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported.

    Attributes:
        dicom: Folder of DICOM files, in any nesting.
        images: Folder to write into.
        rules: Rule of every channel, in the order of nnU-Net's channels.
        names: Way of naming cases: ``numbers``, ``folders``, or the path of a table.
        resample: Whether channels on another grid are brought to that of the first, instead of refused.
        derived: Whether derived images may be a scan.
        skip: Whether studies that cannot be imported are left out, instead of importing none.
        overwrite: Whether images of before are replaced.
    """

    dicom: Path
    images: Path
    rules: Sequence[Rule]
    names: str = NUMBERS
    resample: bool = False
    derived: bool = False
    skip: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class ImportResult:
    """What became of the studies.

    Attributes:
        written: Names of cases that were written now.
        kept: Names of cases that were there before.
        refused: Reasons why studies could not be imported, by their folder.
    """

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Plan:
    """A case before it is written."""

    study: Study
    series: Sequence[Series]
    resampled: Sequence[bool]

    def record(self, rules: Sequence[Rule], folder: str = "") -> CaseRecord:
        """What the record says of the case."""
        channels = [
            ChannelRecord(rule.channel, series.uid, [h.uid for h in series.headers], resampled)
            for rule, series, resampled in zip(rules, self.series, self.resampled, strict=True)
        ]
        return CaseRecord(self.study.uid, channels, folder)


def listing(dicom: Path, derived: bool = False, say: Say = print) -> str:
    """All studies and series of a folder, and which of them make no volume and why.

    Args:
        dicom: Folder of DICOM files, in any nesting.
        derived: Whether derived images may be a scan.
        say: Function that is told what was passed over.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The folder holds no DICOM file.
    """
    studies = studies_of(headers_below(dicom, say, strict=False), dicom, derived)
    return "\n".join(
        f"study {study.uid} in {dicom / study.folder}{': ' if study.problem else ''}{study.problem}\n{study.listing}"
        for study in studies
    )


def import_folder(request: ImportRequest, say: Say = print) -> ImportResult:
    """Write the images of all studies of a folder; those that are there already are kept.

    Args:
        request: Folders, rules, and what is allowed.
        say: Function that is told which case is which folder, and what was passed over.

    Returns:
        What became of every study.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A study cannot be imported, and they are not to be left out; nothing is written then. Or the output
            holds other images.
        LockedError: Another process writes into the output.
    """
    studies = studies_of(headers_below(request.dicom, say), request.dicom, request.derived)
    plans, refused = _planned(studies, request, say)
    if refused and not (request.skip and plans):
        told = "\n".join(f"  {folder}: {reason}" for folder, reason in refused.items())
        raise ValueError(
            f"{len(refused)} of {len(studies)} studies cannot be imported, so nothing was written. Correct the rules, "
            f"or leave such studies out: --skip\n{told}"
        )
    with folder_lock(request.images, say=say):
        earlier = Record.read(request.images) if (request.images / RECORD).is_file() else Record()
        known = {case.study: name for name, case in earlier.cases.items()}
        named = case_names([plan.study for plan in plans], request.names, known)
        cases = {named[plan.study.uid]: plan for plan in plans}
        _refuse_others(request, cases, earlier)
        place = "" if names_patient(str(request.dicom.resolve()), studies) else str(request.dicom.resolve())
        records = {case: plan.record(request.rules, place) for case, plan in cases.items()}
        todo = [c for c in cases if request.overwrite or not all(path.exists() for path in _files(request, c))]
        kept = {**earlier.cases, **{case: records[case] for case in cases if case not in todo}}
        failed = {}
        for case in tqdm(todo, desc="Importing", unit="case"):
            try:
                images = _read(cases[case])
            except ValueError as error:
                failed[case] = str(error)
                continue
            for path in request.images.glob(f"{case}_[0-9][0-9][0-9][0-9]{_ENDING}"):
                path.unlink()
            # First the record: an image that is there without it could be anybody's.
            kept[case] = records[case]
            Record(kept).write(request.images)
            for image, path in zip(images, _files(request, case), strict=True):
                write_image(image, path)
        Record(kept).write(request.images)
    for case, plan in cases.items():
        say(f"{case}  {request.dicom / plan.study.folder}")
    if not place:
        say(f"The path of {request.dicom} names a patient, so it was not recorded: exports need --dicom FOLDER.")
    written = [case for case in todo if case not in failed]
    return ImportResult(written, [case for case in cases if case not in todo], refused | failed)


def _planned(studies: Sequence[Study], request: ImportRequest, say: Say) -> tuple[list[_Plan], dict[str, str]]:
    """The cases that can be made, and why others cannot."""
    plans: list[_Plan] = []
    refused: dict[str, str] = {}
    for study in studies:
        place = str(request.dicom / study.folder)
        try:
            series, passed = chosen_series(study, request.rules)
            plans.append(_Plan(study, series, _resampled(series, request)))
        except ValueError as error:
            # Several studies may lie in one folder.
            refused[place] = "; ".join(filter(None, [refused.get(place), str(error)]))
            continue
        for words in passed:
            say(f"{place}: {words}")
    return plans, refused


def _resampled(series: Sequence[Series], request: ImportRequest) -> list[bool]:
    """Which channels lie on another grid than the first.

    Raises:
        ValueError: One does, and they are not to be resampled, or nobody knows how they lie to each other.
    """
    first = series[0].headers
    differences = [grid_of_slices(s.headers).difference(grid_of_slices(first)) for s in series]
    for rule, other, difference in zip(request.rules, series, differences, strict=True):
        frame = other.headers[0].frame_of_reference
        if len(series) > 1 and (not frame or frame != first[0].frame_of_reference):
            raise ValueError(
                f"{rule.channel} and {request.rules[0].channel} do not share a frame of reference "
                "(FrameOfReferenceUID): nobody knows how they lie to each other. Register them first."
            )
        if difference and not request.resample:
            raise ValueError(
                f"{rule.channel} has {difference} by {request.rules[0].channel}. To bring it to that grid: --resample"
            )
    return [bool(difference) for difference in differences]


def _refuse_others(request: ImportRequest, cases: Mapping[str, _Plan], earlier: Record) -> None:
    """Refuse to replace, or to take for its own, what another import or somebody else wrote.

    Raises:
        ValueError: There is such a case.
    """
    made = {case: plan.record(request.rules) for case, plan in cases.items()}
    changed = [c for c, record in made.items() if c in earlier.cases and not earlier.cases[c].is_of_same(record)]
    try:
        there = set(images_in(request.images))
    except ValueError:
        there = set()
    strange = [
        c for c in cases if c not in earlier.cases and any(f.name[: -len(_ENDING)] in there for f in _files(request, c))
    ]
    if (changed or strange) and not request.overwrite:
        raise ValueError(
            f"{request.images} holds images of {', '.join([*changed, *strange][:5])} that were made of other series, "
            "or not by this command. Choose another -o, or --overwrite."
        )


def _files(request: ImportRequest, case: str) -> list[Path]:
    return [request.images / f"{case}_{channel:04d}{_ENDING}" for channel in range(len(request.rules))]


def _read(plan: _Plan) -> list[Image]:
    """The images of a case, all of them before anything is written.

    Raises:
        ValueError: A file is damaged.
    """
    images = [read_series(series) for series in plan.series]
    return [on_grid_of(im, images[0]) if other else im for im, other in zip(images, plan.resampled, strict=True)]
