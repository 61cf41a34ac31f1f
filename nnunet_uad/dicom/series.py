"""Series of single-frame images: which files belong together, and whether they make one volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.common.files import file_hash
from nnunet_uad.dicom.headers import Header
from nnunet_uad.dicom.slices import grid_of_slices, in_order, spacing_problem

_MULTI_FRAME = "multi-frame files (enhanced DICOM), which are not read; have the archive send single frames"


@dataclass(frozen=True)
class Series:
    """Files of one SeriesInstanceUID.

    Attributes:
        headers: Headers of its files, in the order of the slices if they make a volume.
        problem: Words for why they make none; empty if they do.
        copies: Number of files that were left out because they are byte for byte another of the series.
    """

    headers: tuple[Header, ...]
    problem: str = ""
    copies: int = 0

    @classmethod
    def of(cls, headers: Sequence[Header], derived: bool = False) -> Series:
        """The series of these files.

        Args:
            headers: Headers of one SeriesInstanceUID, in any order.
            derived: Whether derived images (reformatted, averaged, computed) may be a scan.
        """
        once, problem = _each_once(headers)
        problem = problem or _kind_problem(once, derived) or _unequal(once)
        if not problem:
            once = in_order(once)
            problem = spacing_problem(once)
        return cls(tuple(once), problem, len(headers) - len(once))

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return self.headers[0].series

    @property
    def description(self) -> str:
        """SeriesDescription of its first file."""
        return self.headers[0].description

    @property
    def words(self) -> str:
        """The series in a line: number, description, modality, images, grid, what is wrong."""
        first = self.headers[0]
        number = f"#{first.number}" if first.number >= 0 else "#?"
        name = f"{number} {first.description!r} ({first.modality or 'no modality'}, {len(self.headers)} image(s)"
        copies = f"; {self.copies} exact copies left out" if self.copies else ""
        if self.problem:
            return f"{name}{copies}): no: {self.problem}"
        grid = grid_of_slices(self.headers)
        spacing = " × ".join(f"{s:.4g}" for s in grid.spacing) if grid.spacing is not None else ""
        return f"{name}, {' × '.join(map(str, grid.size))} voxels of {spacing} mm{copies})"


@dataclass(frozen=True)
class Study:
    """Series of one StudyInstanceUID.

    Attributes:
        uid: UID of the study (StudyInstanceUID).
        series: Series of the study, by their numbers.
        folder: Folder below that of the import which holds all its files; it may name the patient.
        problem: Words for why nothing can be made of it; empty if nothing is wrong.
    """

    uid: str
    series: tuple[Series, ...]
    folder: Path
    problem: str = ""

    @property
    def patient(self) -> tuple[str, str]:
        """PatientID and PatientName."""
        return self.series[0].headers[0].patient

    @property
    def listing(self) -> str:
        """Its series, a line each."""
        return "\n".join(f"    {series.words}" for series in self.series)


def studies_of(headers: Sequence[Header], folder: Path, derived: bool = False) -> list[Study]:
    """Studies among these files, sorted by StudyInstanceUID: an order that does not follow patients' names.

    Args:
        headers: Headers of files below ``folder``.
        folder: Folder of the import.
        derived: Whether derived images may be a scan.
    """
    by_study: dict[str, dict[str, list[Header]]] = {}
    for header in headers:
        by_study.setdefault(header.study, {}).setdefault(header.series, []).append(header)
    return [_study(uid, by_series, folder, derived) for uid, by_series in sorted(by_study.items())]


def _study(uid: str, by_series: dict[str, list[Header]], folder: Path, derived: bool) -> Study:
    series = sorted((Series.of(files, derived) for files in by_series.values()), key=lambda s: s.headers[0].number)
    headers = [header for files in by_series.values() for header in files]
    parts = [h.path.parent.relative_to(folder).parts for h in headers]
    common = next((k for k, level in enumerate(zip(*parts, strict=False)) if len(set(level)) > 1), min(map(len, parts)))
    patients = len({h.patient[0] for h in headers})
    problem = "" if uid else "its files have no StudyInstanceUID"
    if patients > 1:
        problem = f"its files are of {patients} patients by their PatientID: separate them, or give each a study"
    return Study(uid, tuple(series), Path(*parts[0][:common]), problem)


def _each_once(headers: Sequence[Header]) -> tuple[list[Header], str]:
    """The files without exact copies of others, and what is wrong with copies that are not exact."""
    first: dict[str, Header] = {}
    for header in headers:
        earlier = first.setdefault(header.uid, header)
        if earlier is not header and file_hash(earlier.path) != file_hash(header.path):
            return list(headers), f"{earlier.path.name} and {header.path.name} differ and have one SOPInstanceUID"
    return list(first.values()), ""


def _kind_problem(headers: Sequence[Header], derived: bool) -> str:
    """Why images of this kind are no scan, whatever their geometry."""
    kinds = {value.upper() for h in headers for value in h.image_type}
    reasons = {
        "no images": any(h.size is None for h in headers),
        _MULTI_FRAME: any(h.frames > 1 for h in headers),
        "colours, or grey values of which high ones are dark (PhotometricInterpretation)": not all(
            h.grey for h in headers
        ),
        "a localiser": "LOCALIZER" in kinds,
        "derived images (ImageType); if they are the scan that you mean: --derived": "DERIVED" in kinds and not derived,
        "values that pass a table (ModalityLUTSequence), which is not read": any(h.has_table for h in headers),
        "images without position, orientation or pixel spacing": any(
            h.position is None or h.orientation is None or h.spacing is None for h in headers
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _unequal(headers: Sequence[Header]) -> str:
    """What its images do not have in common though a volume must; a scanner rounds the last digits."""

    def different(values: Sequence[Sequence[float] | None], tolerance: float) -> bool:
        """Whether values differ from the first's by more than a tolerance."""
        return any(abs(a - b) > tolerance for v in values for a, b in zip(v or (), values[0] or (), strict=True))

    reasons = {
        "sizes": len({h.size for h in headers}) > 1,
        "orientations": different([h.orientation for h in headers], 1e-4),
        "pixel spacings": different([h.spacing for h in headers], 1e-4),
        "frames of reference": len({h.frame_of_reference for h in headers}) > 1,
    }
    return next((f"images of several {name}" for name, holds in reasons.items() if holds), "")
