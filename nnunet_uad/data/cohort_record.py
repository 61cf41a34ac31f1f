"""Which raw files the cases of a preprocessed cohort were made of, so that changes are noticed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.json_files import read_as
from nnunet_uad.data.cohort import RawCase

#: In a dataset's folder in nnUNet_preprocessed: case → what its raw files held.
RECORD_FILE = "raw_files.json"
#: In the same folder: labels on the raw grid, where nnU-Net's validation looks for them.
LABELS_FOLDER = "gt_segmentations"
#: What nnU-Net leaves of a case; the last makes it count.
_ENDINGS = ("_seg.b2nd", ".pkl", ".b2nd")


@dataclass(frozen=True)
class RawFiles:
    """What the raw files of a case held when it was preprocessed.

    Attributes:
        images: SHA-256 of each image, in the order of the channels.
        label: SHA-256 of the label, ``None`` of a case that nobody labelled.
        stamps: Size and times of each file; as long as they stay, the file is not read again.
    """

    images: tuple[str, ...]
    label: str | None
    stamps: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, case: RawCase) -> RawFiles:
        """Read the files of a case.

        Args:
            case: Case whose files exist.
        """
        stamps = _stamps(case)
        return cls(tuple(map(file_hash, case.images)), None if case.label is None else file_hash(case.label), stamps)

    def fits(self, case: RawCase) -> bool:
        """Whether the files of a case still hold the same.

        Args:
            case: Case as it is now.
        """
        try:
            if (case.label is None) == (self.label is None) and self.stamps == _stamps(case):
                return True
            now = RawFiles.of(case)
        except OSError:
            return False
        return (now.images, now.label) == (self.images, self.label)


def _stamps(case: RawCase) -> tuple[tuple[int, ...], ...]:
    found = [Path(f).stat() for f in (*case.images, *([case.label] if case.label else []))]
    # The time of the change, too: a copy may keep the time of its content, nobody sets this one.
    return tuple((s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in found)


class CohortRecord:
    """The cases that a folder holds, and the raw files that they were made of.

    Args:
        folder: Folder of the dataset in ``nnUNet_preprocessed``.
        subfolders: Names of the folders of all configurations below it.
        ending: Ending of the label files.

    Raises:
        ValueError: The file is no record.
    """

    def __init__(self, folder: Path, subfolders: Iterable[str], ending: str) -> None:
        self.folder, self.ending = folder, ending
        self.subfolders = tuple(sorted(set(subfolders)))
        path = folder / RECORD_FILE
        self.cases = read_as(dict[str, RawFiles], path, "Remove the folder.") if path.is_file() else {}

    def present(self) -> set[str]:
        """Identifiers of the cases that the folder holds in any configuration, or labels of."""
        found = {
            path.name.removesuffix(".b2nd")
            for name in self.subfolders
            for path in (self.folder / name).glob("*.b2nd")
            if not path.name.endswith("_seg.b2nd")
        }
        return found | set(self.cases)

    def holds(self, identifier: str, subfolder: str) -> bool:
        """Whether a case is finished in a configuration.

        Args:
            identifier: Identifier of the case.
            subfolder: Name of the configuration's folder.
        """
        files = [self.folder / subfolder / f"{identifier}{ending}" for ending in _ENDINGS]
        return identifier in self.cases and all(f.is_file() for f in files)

    def add(self, identifier: str, files: RawFiles) -> None:
        """Note a case that is finished.

        Args:
            identifier: Identifier of the case.
            files: Record of its raw files.
        """
        if self.cases.get(identifier) != files:
            self.cases[identifier] = files
            self._write()

    def remove(self, identifiers: Collection[str]) -> None:
        """Delete cases, their record first: without it they count as unknown, and are deleted next time.

        Args:
            identifiers: Identifiers of the cases.
        """
        if not identifiers:
            return
        self.cases = {case: files for case, files in self.cases.items() if case not in identifiers}
        self._write()
        for identifier in identifiers:
            for name in self.subfolders:
                for ending in reversed(_ENDINGS):
                    (self.folder / name / f"{identifier}{ending}").unlink(missing_ok=True)
            (self.folder / LABELS_FOLDER / f"{identifier}{self.ending}").unlink(missing_ok=True)

    def outdated(self, cases: Sequence[RawCase]) -> dict[str, list[str]]:
        """Cases of the folder that are not what the raw datasets hold now: reason → identifiers.

        Args:
            cases: Cases as they are now.
        """
        now = {case.identifier: case for case in cases}
        reasons: dict[str, list[str]] = {}
        for identifier in sorted(self.present()):
            case, files = now.get(identifier), self.cases.get(identifier)
            if case is None:
                reason = "no longer in the raw datasets, removed"
            elif files is None:
                reason = "made of files that nobody noted, made again"
            elif files.fits(case):
                continue
            elif files.label is None and case.label is not None:
                reason = "labelled since, made again"
            elif files.label is not None and case.label is None:
                reason = "no longer labelled, made again"
            else:
                reason = "changed since, made again"
            reasons.setdefault(reason, []).append(identifier)
        return reasons

    def _write(self) -> None:
        write_json(self.folder / RECORD_FILE, {case: asdict(files) for case, files in sorted(self.cases.items())})
