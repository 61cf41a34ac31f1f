"""From the training scans of a dataset to their reference, which is made once and kept beside the preprocessed data."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.nnunet import channel_names, dataset_folder, require_configuration, resolved_configuration
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans
from nnunet_uad.common.workers import background_processes
from nnunet_uad.data.cohort import raw_cases
from nnunet_uad.data.content import file_digests, raw_folder
from nnunet_uad.data.splits import splits_of
from nnunet_uad.inference.pipeline import worker_pool
from nnunet_uad.quality.array_file import read_arrays, write_arrays
from nnunet_uad.quality.names import PROFILES_FOLDER, REFERENCE_FILE
from nnunet_uad.quality.profile import Profile, profile_of
from nnunet_uad.quality.reference import VERSION, Reference, Setup
from nnunet_uad.quality.scan import Scan

#: Normalisations that leave the meaning of a value: all others standardise each scan by itself.
_ABSOLUTE = ("CTNormalization", "NoNormalization", "RGBTo01Normalization")
_PLAN = "Plan and preprocess first: nnUNetv2_plan_and_preprocess"
_GIVEN = "Make it where the training scans are: nnunet_uad check, which keeps it in nnUNet_preprocessed."
_DELETE = "Delete it: it is made anew."
Say = Callable[[str], object]


@dataclass(frozen=True)
class TrainingScans:
    """The training scans that a reference is made of.

    Attributes:
        preprocessed: Folder of the dataset in nnUNet_preprocessed, where the reference is kept.
        plans: Name of the plans.
        configuration: Name of the configuration.
        fold: Number of the fold whose training cases count; all cases of the dataset if ``None``.
        processes: Number of processes that read scans; with 0 this one does it, with ``None`` it follows from cores,
            memory and scans.
    """

    preprocessed: Path
    plans: str
    configuration: str
    fold: int | None = None
    processes: int | None = 0

    @classmethod
    def named(
        cls, dataset: str, plans: str, configuration: str, fold: int | None = None, processes: int | None = 0
    ) -> TrainingScans:
        """The training scans of a dataset.

        Args:
            dataset: Number or name of the dataset.
            plans: Name of the plans.
            configuration: Name of the configuration.
            fold: Number of the fold whose training cases count; all if ``None``.
            processes: Number of processes that read scans.

        Raises:
            ValueError: There is no such dataset.
            RuntimeError: nnUNet_preprocessed is not set.
        """
        return cls(dataset_folder("nnUNet_preprocessed", dataset), plans, configuration, fold, processes)

    @property
    def path(self) -> Path:
        """File of the reference."""
        suffix = "" if self.fold is None else f"_fold_{self.fold}"
        name, _, ending = REFERENCE_FILE.partition(".")
        return self.preprocessed / f"{name}{suffix}.{ending}"

    def reference(self, say: Say) -> Reference:
        """The reference: the one that is kept, or, where the training scans are others now, a new one.

        Args:
            say: Function that is told what is made, left out, or could not be checked.

        Raises:
            ValueError: The plans, the fold or a training scan are damaged, or there are too few scans.
            FileNotFoundError: Neither a reference nor training scans are there.
        """
        setup = self.setup()
        raw = raw_folder()
        if raw is None or not (raw / self.preprocessed.name).is_dir():
            found = self._kept()
            if found is None:
                raise FileNotFoundError(
                    f"A reference of the training scans is made once, from their images, but nnUNet_raw holds no "
                    f"{self.preprocessed.name}. Set nnUNet_raw to where they are, or copy {self.path.name} from where "
                    f"it was made to {self.preprocessed}, or name it: --reference FILE"
                )
            say(f"nnUNet_raw holds no {self.preprocessed.name}: {self.path.name} is used unchecked.")
            return found
        files = self._files(raw / self.preprocessed.name, setup.channels)
        digests = self._digests(files)
        made_of = hashlib.sha256(" ".join(sorted(digests.values())).encode()).hexdigest()
        found = self._kept()
        if found is not None and (found.made_of, found.setup) == (made_of, setup):
            return found
        if found is not None:
            say(f"The training scans are not those that {self.path.name} was made of: it is made anew.")
        return self._make(files, digests, setup, made_of, say)

    def made_elsewhere(self, path: Path) -> Reference:
        """A reference of these training scans that was made on another machine.

        Args:
            path: File of the reference.

        Raises:
            ValueError: It is damaged, of another dataset, or of plans that read scans otherwise; names both.
            FileNotFoundError: There is no such file, or there are no plans.
        """
        setup, found = self.setup(), Reference.read(path, _GIVEN)
        name = self.preprocessed.name
        if found.dataset not in ("", name):
            raise ValueError(f"{path} is a reference of {found.dataset}, expected one of {name} (-d). {_GIVEN}")
        wanted, theirs = dataclasses.asdict(setup), dataclasses.asdict(found.setup)
        if other := [key for key in wanted if wanted[key] != theirs[key]]:
            words = "; ".join(f"{key}: expected {wanted[key]!r}, found {theirs[key]!r}" for key in other)
            raise ValueError(
                f"{path} is a reference of other plans than {self.plans}, {self.configuration} of {name} ({words}). "
                f"{_GIVEN}"
            )
        return found

    def setup(self) -> Setup:
        """How scans of the dataset are read, by its plans.

        Raises:
            ValueError: The plans are damaged, or lack the configuration.
            FileNotFoundError: There are no plans.
        """
        plans = load_plans(self.preprocessed / f"{self.plans}.json", _PLAN)
        require_configuration(self.plans, plans["configurations"], self.configuration)
        dataset = load_dataset_json(self.preprocessed / "dataset.json", _PLAN, labelled=False)
        channels = channel_names(dataset)
        schemes = resolved_configuration(plans, self.configuration).get("normalization_schemes", [])
        absolute = tuple(scheme in _ABSOLUTE for scheme in schemes)
        if len(absolute) != len(channels):
            raise ValueError(
                f"The plans {self.plans}: normalization_schemes expects an entry per channel, {len(channels)}, found "
                f"{len(absolute)}. {_PLAN}"
            )
        return Setup(channels, dataset["file_ending"], str(plans.get("image_reader_writer", "SimpleITKIO")), absolute)

    def _kept(self) -> Reference | None:
        return Reference.read(self.path, _DELETE) if self.path.is_file() else None

    def _files(self, raw: Path, channels: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Case → its images, of the fold's training cases.

        Raises:
            ValueError: There is no such fold, or its cases are not in the raw dataset.
        """
        cases = {case.identifier: case.images for case in raw_cases(raw, channels)[0]}
        if self.fold is None:
            return cases
        splits = splits_of(self.preprocessed)
        if self.fold >= len(splits):
            raise ValueError(f"{self.preprocessed / 'splits_final.json'} has {len(splits)} fold(s), not {self.fold}.")
        wanted = splits[self.fold]["train"]
        if missing := sorted(set(wanted) - set(cases)):
            raise ValueError(f"{raw} lacks {len(missing)} training case(s) of fold {self.fold}: {missing[0]} …")
        return {case: cases[case] for case in wanted}

    @staticmethod
    def _digests(files: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Case → hash of its images."""
        hashes = file_digests(Path(p) for images in files.values() for p in images)
        return {
            case: hashlib.sha256(" ".join(hashes[Path(p)] for p in images).encode()).hexdigest()
            for case, images in files.items()
        }

    def _make(
        self, files: Mapping[str, Sequence[str]], digests: Mapping[str, str], setup: Setup, made_of: str, say: Say
    ) -> Reference:
        """Summarise all training scans; those that an interrupted run has summarised are not read again."""
        folder = self.preprocessed / PROFILES_FOLDER
        with folder_lock(folder, wait=True, say=say):
            paths = {case: folder / f"{digest[:32]}.safetensors" for case, digest in digests.items()}
            failed = _summarise(files, paths, setup, self.processes)
            if failed:
                few = "; ".join(f"{case}: {reason}" for case, reason in list(failed.items())[:3])
                say(f"{len(failed)} training scan(s) cannot be read and are no part of the reference: {few}")
            profiles = [read_profile(path) for case, path in paths.items() if case not in failed]
            reference = Reference.of(profiles, setup, made_of, self.preprocessed.name)
            if reference.left_out:
                say(f"{reference.left_out} training scan(s) without all their channels are no part of the reference.")
            reference.write(self.path)
            for path in paths.values():
                path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        say(f"Reference of {len(reference.values)} training scans: {self.path}")
        return reference


def _summarise(
    files: Mapping[str, Sequence[str]], paths: Mapping[str, Path], setup: Setup, processes: int | None
) -> dict[str, str]:
    """Write the profiles that are not there; case → why it could not be read."""
    failed = {}
    todo = [case for case in files if not paths[case].is_file()]
    processes = background_processes(processes, len(todo), "cpu")
    at_once = 4 * max(1, processes)
    with worker_pool(processes) as pool, tqdm(total=len(todo), desc="training scans") as bar:
        for start in range(0, len(todo), at_once):
            jobs = {c: pool.submit(write_profile, files[c], setup, paths[c]) for c in todo[start : start + at_once]}
            for case, job in jobs.items():
                try:
                    job.result()
                except ValueError as error:
                    failed[case] = str(error)
                bar.update()
    return failed


def write_profile(files: Sequence[str], setup: Setup, path: Path) -> None:
    """Summarise a scan into a file; travels to worker processes.

    Args:
        files: Images, one per channel in their order.
        setup: Way of reading them.
        path: File to write.

    Raises:
        ValueError: A file is damaged.
    """
    profile = scan_profile(files, setup)[1]
    record = dataclasses.asdict(_ProfileRecord(VERSION, profile.numbers, profile.axes, profile.faults))
    write_arrays(path, {"cube": profile.cube.astype(np.float32), "mask": profile.mask.astype(np.uint8)}, record)


@dataclass(frozen=True)
class _ProfileRecord:
    """What the file of a profile says beside its arrays."""

    version: int
    numbers: dict[str, float]
    axes: str
    faults: tuple[str, ...]


def read_profile(path: Path) -> Profile:
    """Read a profile of this version.

    Args:
        path: File of :func:`write_profile`.

    Raises:
        ValueError: The file is damaged, or of another version.
    """
    arrays, record = read_arrays(path, _ProfileRecord, {"cube": 4, "mask": 3}, _DELETE)
    if record.version != VERSION:
        raise ValueError(f"{path} is of version {record.version}, {VERSION} is expected. {_DELETE}")
    return Profile(record.numbers, arrays["cube"], arrays["mask"] > 0, record.axes, record.faults)


def scan_profile(files: Sequence[str], setup: Setup) -> tuple[Scan, Profile]:
    """Read and summarise a scan.

    Args:
        files: Images, one per channel in their order.
        setup: Way of reading them.

    Raises:
        ValueError: A file is damaged, holds NaN, or lies on another grid than the first.
        FileNotFoundError: A file is missing.
    """
    scan = Scan.read(files, setup.reader, len(setup.channels))
    return scan, profile_of(scan, setup.channels, setup.absolute)
