"""Made faults of real scans: how many does ``nnunet_uad check`` catch, and how many unchanged scans does it call unfit?

The reference is made of the training cases of a fold, the faults of its validation cases; nothing is chosen on these.
Scans of other datasets are checked as they are: those with fewer channels against a reference of that channel alone.

    python benchmarks/scan_faults.py -d 905 -c 2d_small --fold 5 --others 901 902 --single 904:0 903:0 906:1
        -o docs/results/rows/scan_faults.csv

With ``--write FOLDER`` the changed scans are written as files instead, for what needs a model (``-tr-map``, ``-tr``):

    python benchmarks/scan_faults.py -d 905 -c 2d_small --fold 5 --write FAULTS --faults "noise, 0.5 SD" "upside down"
    nnunet_uad check -i FAULTS -o CHECKED -d 905 -c 2d_small --fold 5 -tr-map nnUNetPretrainerPatchGAN_10epochs_100iters
"""

from __future__ import annotations

import argparse
import csv
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK
from scipy import ndimage

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.nnunet import channel_names, dataset_folder
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.common.slugs import slug
from nnunet_uad.common.whole_image import write_image
from nnunet_uad.data.cohort import raw_cases
from nnunet_uad.data.splits import splits_of
from nnunet_uad.quality.calibration import Calibration
from nnunet_uad.quality.findings import judge, worst
from nnunet_uad.quality.names import DEFAULT_RATE, UNFIT
from nnunet_uad.quality.profile import Profile, profile_of
from nnunet_uad.quality.reference import Reference, Setup
from nnunet_uad.quality.scan import Scan
from nnunet_uad.quality.training_scans import TrainingScans

Fault = Callable[[Scan, np.random.Generator], Scan]
#: Scans of another dataset that are looked at.
_MOST = 30


def _spread(scan: Scan) -> np.ndarray:
    """Standard deviation of each channel's foreground (C, 1, 1, 1)."""
    mask = scan.foreground()
    return np.array([channel[mask].std() for channel in scan.image])[:, None, None, None]


def _inside(scan: Scan, image: np.ndarray) -> Scan:
    """The scan with another image, whose background stays empty."""
    return replace(scan, image=np.where(scan.foreground(), np.clip(image, 1, None), 0).astype(np.float32))


def noise(level: float) -> Fault:
    """White noise inside the foreground, in standard deviations of the foreground."""
    return lambda scan, rng: _inside(scan, scan.image + level * _spread(scan) * rng.standard_normal(scan.image.shape))


def blur(voxels: float) -> Fault:
    """A Gaussian within slices, of that standard deviation."""
    return lambda scan, rng: _inside(scan, ndimage.gaussian_filter(scan.image, (0, 0, voxels, voxels)))


def bias(strength: float) -> Fault:
    """A gain that grows by e to the strength from the middle to the edge of the image, in a drawn direction."""

    def changed(scan: Scan, rng: np.random.Generator) -> Scan:
        direction = rng.standard_normal(3)
        axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in scan.image.shape[1:]), indexing="ij")
        field = sum(d * a for d, a in zip(direction / np.linalg.norm(direction), axes, strict=True))
        return replace(scan, image=(scan.image * np.exp(strength * field)).astype(np.float32))

    return changed


def flipped(axis: int) -> Fault:
    """An axis of the voxel array reversed; the header does not tell."""
    return lambda scan, rng: replace(scan, image=np.flip(scan.image, 1 + axis).copy())


def permuted(*order: int, honest: bool) -> Fault:
    """Axes of the voxel array in another order, the voxel sizes with them or left as they were."""

    def changed(scan: Scan, rng: np.random.Generator) -> Scan:
        spacing = tuple(scan.spacing[k] for k in order) if honest else scan.spacing
        return replace(scan, image=scan.image.transpose(0, *(1 + k for k in order)).copy(), spacing=spacing)

    return changed


def spacing(*factors: float) -> Fault:
    """Voxel sizes in the header that are wrong by these factors."""
    return lambda scan, rng: replace(scan, spacing=tuple(s * f for s, f in zip(scan.spacing, factors, strict=True)))


def without(channel: int) -> Fault:
    """A channel of zeros."""
    return lambda scan, rng: replace(scan, image=scan.image * (np.arange(2) != channel)[:, None, None, None])


def twice(channel: int) -> Fault:
    """A channel in the place of the other, too."""
    return lambda scan, rng: replace(scan, image=scan.image[[channel, channel]])


def ring(scan: Scan, rng: np.random.Generator) -> Scan:
    """A dark layer of 6 mm around the brain and a bright one of 6 mm around that: skull and scalp, roughly."""
    image = scan.image.copy()
    filled = [ndimage.binary_fill_holes(layer) for layer in scan.foreground()]
    far = np.full(filled[0].shape, 1e9)
    distance = np.stack(
        [ndimage.distance_transform_edt(~f, sampling=scan.spacing[1:]) if f.any() else far for f in filled]
    )
    for channel in image:
        low, high = np.percentile(channel[scan.foreground()], (5, 97))
        for layer, value in {(0, 6): 0.6 * low, (6, 12): high}.items():
            place = (distance > layer[0]) & (distance <= layer[1])
            channel[place] = np.clip(value * (1 + 0.15 * rng.standard_normal(place.sum())), 1, None)
    return replace(scan, image=image)


def background(scan: Scan, rng: np.random.Generator) -> Scan:
    """Faint noise outside the head, where the training scans are 0."""
    faint = np.abs(0.08 * _spread(scan) * rng.standard_normal(scan.image.shape))
    return replace(scan, image=np.where(scan.foreground(), scan.image, faint).astype(np.float32))


def inverted(scan: Scan, rng: np.random.Generator) -> Scan:
    """Bright where it was dark."""
    return _inside(scan, scan.image.max((1, 2, 3), keepdims=True) + 1 - scan.image)


def clipped(scan: Scan, rng: np.random.Generator) -> Scan:
    """Intensities saturated at the 80th percentile of the foreground."""
    tops = [np.percentile(channel[scan.foreground()], 80) for channel in scan.image]
    return replace(scan, image=np.minimum(scan.image, np.array(tops, np.float32)[:, None, None, None]))


def shifted(scan: Scan, rng: np.random.Generator) -> Scan:
    """The second channel 10 voxels aside: not registered."""
    return replace(scan, image=np.stack([scan.image[0], np.roll(scan.image[1], 10, axis=-1)]))


#: What is done to a scan of two channels.
FAULTS: Mapping[str, Fault] = {
    "unchanged": lambda scan, rng: scan,
    "channels swapped": lambda scan, rng: replace(scan, image=scan.image[::-1].copy()),
    "second channel empty": without(1),
    "first channel empty": without(0),
    "first channel twice": twice(0),
    "second channel twice": twice(1),
    "second channel moved by 10 voxels": shifted,
    "skull and scalp (made ring)": ring,
    "noise in the background": background,
    "noise, 0.1 SD": noise(0.1),
    "noise, 0.25 SD": noise(0.25),
    "noise, 0.5 SD": noise(0.5),
    "blur, 0.5 voxels": blur(0.5),
    "blur, 1 voxel": blur(1),
    "blur, 2 voxels": blur(2),
    "bias field, e^0.3": bias(0.3),
    "bias field, e^0.6": bias(0.6),
    "bias field, e^1": bias(1.0),
    "saturated at the 80th percentile": clipped,
    "inverted": inverted,
    "upside down": flipped(0),
    "back to front": flipped(1),
    "left to right": flipped(2),
    "axes zxy, header right": permuted(0, 2, 1, honest=True),
    "axes zxy, header lies": permuted(0, 2, 1, honest=False),
    "axes yzx, header right": permuted(1, 0, 2, honest=True),
    "axes xyz, header lies": permuted(2, 1, 0, honest=False),
    "voxel size doubled": spacing(2, 2, 2),
    "voxel size in slices times 0.9": spacing(1, 0.9, 0.9),
    "distance of slices halved": spacing(0.5, 1, 1),
    "lower half missing": lambda scan, rng: replace(scan, image=scan.image[:, scan.image.shape[1] // 2 :].copy()),
    "lowest fifth missing": lambda scan, rng: replace(scan, image=scan.image[:, scan.image.shape[1] // 5 :].copy()),
}


class Cohort:
    """A reference, its limits, and what is caught with them.

    Args:
        reference: Training scans.
        channels: Indices of the channels that the reference has.
        rate: Wanted share of false alarms.
    """

    def __init__(self, reference: Reference, channels: Sequence[int], rate: float) -> None:
        self.reference, self.channels = reference, list(channels)
        self.calibration = Calibration.of(reference.names, reference.values, rate)

    @classmethod
    def of(cls, scans: Iterable[Scan], setup: Setup, channel: int, rate: float) -> Cohort:
        """A cohort of one channel of scans.

        Args:
            scans: Training scans.
            setup: Way of reading them.
            channel: Index of the channel.
            rate: Wanted share of false alarms.
        """
        one = replace(setup, channels=setup.channels[channel : channel + 1], absolute=setup.absolute[:1])
        profiles = [_profile(scan, one, [channel]) for scan in scans]
        return cls(Reference.of(profiles, one), [channel], rate)

    def row(self, group: str, fault: str, scans: Iterable[Scan]) -> dict[str, object]:
        """How many scans are unfit, and by which checks.

        Args:
            group: What the scans are.
            fault: What was done to them.
            scans: Scans to check.
        """
        checks: Counter[str] = Counter()
        count = caught = 0
        for scan in scans:
            found = judge(_profile(scan, self.reference.setup, self.channels), self.reference, self.calibration)
            count += 1
            caught += worst(found) == UNFIT
            checks.update({f.check for f in found if f.verdict == UNFIT})
        named = ", ".join(f"{check} {number}" for check, number in checks.most_common())
        return {"scans of": group, "fault": fault, "scans": count, "unfit": caught, "by": named}


class Rows:
    """Rows in a file, each written as soon as it is there: an interrupted run continues.

    Args:
        path: CSV of the rows.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as handle:
                self.rows = list(csv.DictReader(handle))

    def missing(self, group: str, fault: str) -> bool:
        """Whether there is no such row yet."""
        return not any((row["scans of"], row["fault"]) == (group, fault) for row in self.rows)

    def add(self, row: dict[str, object]) -> None:
        """Add a row."""
        self.rows.append({key: str(value) for key, value in row.items()})
        write_csv_file(self.path, list(row), [[row[key] for key in row] for row in self.rows])
        print(f"{row['scans of']:32} {row['fault']:36} {row['unfit']:>3} of {row['scans']:>3}  {row['by']}", flush=True)


def _profile(scan: Scan, setup: Setup, channels: Sequence[int]) -> Profile:
    image = scan.image[list(channels)] if len(scan.image) > len(channels) else scan.image
    return profile_of(replace(scan, image=image), setup.channels, setup.absolute)


def made(fault: str, case: str, scan: Scan) -> Scan:
    """A scan with a fault; a case draws the same in every run, whatever else is checked."""
    return FAULTS[fault](scan, np.random.default_rng(zlib.crc32(case.encode())))


def write_scans(folder: Path, faults: Sequence[str], scans: Mapping[str, Scan]) -> None:
    """Write changed scans as nnU-Net's raw images, ``case__fault_0000.nii.gz``."""
    folder.mkdir(parents=True, exist_ok=True)
    for fault in faults:
        for case, scan in scans.items():
            changed = made(fault, case, scan)
            for index, channel in enumerate(changed.image):
                image = SimpleITK.GetImageFromArray(channel)
                image.SetSpacing(changed.spacing[::-1])
                write_image(image, folder / f"{case}__{slug(fault)}_{index:04d}.nii.gz")


def _read(files: Mapping[str, Sequence[str]], setup: Setup, channels: int) -> Iterator[tuple[str, Scan]]:
    for case, paths in files.items():
        yield case, Scan.read(paths, setup.reader, channels)


def _others(dataset: str, setup: Setup) -> Iterator[Scan]:
    """At most thirty scans of another dataset, evenly spread over it."""
    folder = dataset_folder("nnUNet_raw", dataset)
    channels = channel_names(load_dataset_json(folder / "dataset.json", labelled=False))
    cases = raw_cases(folder, channels)[0]
    chosen = cases[:: max(1, len(cases) // _MOST)][:_MOST]
    for case in chosen:
        yield Scan.read(case.images, setup.reader, len(channels))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", required=True, help="dataset")
    parser.add_argument("-c", required=True, help="configuration")
    parser.add_argument("-p", default="nnUNetPlans", help="plans")
    parser.add_argument("--fold", type=int, required=True, help="fold: training cases are the reference")
    parser.add_argument("--others", nargs="*", default=[], help="datasets with the same channels")
    parser.add_argument("--single", nargs="*", default=[], help="DATASET:CHANNEL, datasets of one channel")
    parser.add_argument("--rate", type=float, default=DEFAULT_RATE, help="of false alarms")
    parser.add_argument("-o", type=Path, default=Path("scan_faults.csv"), help="rows to write, or to continue")
    parser.add_argument("--write", type=Path, help="folder for changed scans as files; nothing is checked then")
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS), help="these alone")
    parser.add_argument("--cases", type=int, default=10**6, help="with --write: number of cases, evenly spread")
    return parser.parse_args()


def main() -> None:
    """Make the faults, check them, and write the rows."""
    arguments = _arguments()
    training = TrainingScans.named(arguments.d, arguments.p, arguments.c, arguments.fold)
    setup, count = training.setup(), len(training.setup().channels)
    images = {
        case.identifier: case.images for case in raw_cases(dataset_folder("nnUNet_raw", arguments.d), setup.channels)[0]
    }
    split = {
        kind: {c: images[c] for c in cases} for kind, cases in splits_of(training.preprocessed)[arguments.fold].items()
    }
    if arguments.write is not None:
        step = max(1, len(split["val"]) // arguments.cases)
        chosen = dict(list(split["val"].items())[::step][: arguments.cases])
        write_scans(arguments.write, arguments.faults, dict(_read(chosen, setup, count)))
        return
    rows = Rows(arguments.o)
    both = Cohort(training.reference(print), range(count), arguments.rate)
    group = f"{arguments.d}, validation"
    for fault in (f for f in arguments.faults if rows.missing(group, f)):
        changed = (made(fault, case, scan) for case, scan in _read(split["val"], setup, count))
        rows.add(both.row(group, fault, changed))
    for dataset in (d for d in arguments.others if rows.missing(d, "none")):
        rows.add(both.row(dataset, "none", _others(dataset, setup)))
    for dataset, text in (entry.split(":") for entry in arguments.single):
        channel = int(text)
        name = setup.channels[channel]
        alone, other = f"{group}, {name} alone", f"{dataset}, as {name}"
        if not (rows.missing(alone, "unchanged") or rows.missing(other, "none")):
            continue
        cohort = Cohort.of((s for _, s in _read(split["train"], setup, count)), setup, channel, arguments.rate)
        if rows.missing(alone, "unchanged"):
            rows.add(cohort.row(alone, "unchanged", (s for _, s in _read(split["val"], setup, count))))
        if rows.missing(other, "none"):
            rows.add(cohort.row(other, "none", _others(dataset, setup)))


if __name__ == "__main__":
    main()
