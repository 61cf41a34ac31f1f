"""Made faults of real scans: what do anomaly maps and the agreement of folds add to what ``nnunet_uad check`` catches?

    python benchmarks/scan_fault_models.py maps -d 905 -c 2d_small --fold 5 -tr PRETRAINER -f 5 -o OUT/maps.csv
    python benchmarks/scan_fault_models.py folds -d 905 -c 2d_small --fold 5 -tr TRAINER -f 27 28 29 -o OUT/folds.csv
    python benchmarks/scan_fault_models.py rows OUT -d 905 -c 2d_small --fold 5 -tr TRAINER -f 27 28 29 -o ROWS

``maps`` and ``folds`` write a row per scan and fault: the median of the anomaly map, as ``check -tr-map`` takes it; the
Dice of all pairs of folds, as ``check -tr`` takes it, and beside it the Dice of each fold to the truth. Rows that are
there are kept, so either may be killed at any time. Faults are those of ``scan_faults.py``, made in memory, of every
second validation case of ``--fold``; all of these cases are taken unchanged.

``rows`` sets the limits and counts, of each file ``maps*.csv`` in OUT. With ``--limit FOLD`` the validation cases of
another fold set the limit, none of which is tested, as a user's would. Without it, for a pretrainer that was validated
on the tested cases, a scan is judged by the maps of all others: then one unchanged scan is above the largest of the
others whatever the pretrainer, so the rate of false alarms is set, not measured. The folds' limit is their Dice on
their own validation cases, none of which is tested. No model may have been trained on the cases that are tested.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scan_faults import FAULTS, Cohort, made
from scipy import stats
from tqdm import tqdm

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder, dataset_folder, dataset_name, required_folder
from nnunet_uad.data.cohort import raw_cases
from nnunet_uad.data.image_files import read_values
from nnunet_uad.data.splits import splits_of
from nnunet_uad.inference.model import load_restorer
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.pipeline import Prepared, score_prepared
from nnunet_uad.inference.segmenter import load_segmenter
from nnunet_uad.metrics.agreement import pairwise_dice
from nnunet_uad.quality.agreement import AgreementLimit
from nnunet_uad.quality.calibration import conformal_limit
from nnunet_uad.quality.findings import judge, worst
from nnunet_uad.quality.names import DEFAULT_RATE, UNFIT
from nnunet_uad.quality.profile import profile_of
from nnunet_uad.quality.scan import Scan
from nnunet_uad.quality.training_scans import TrainingScans
from nnunet_uad.scoring.score_settings import score_settings
from nnunet_uad.screening.models import SupervisedModel

UNCHANGED = "unchanged"
#: Name in rows of what is done to scans that are not tested, but set a limit: nothing.
LIMIT = "sets the limit"
#: What is made unless other faults are named: mild ones that the comparison misses, and gross ones that it catches.
CHOSEN = (
    UNCHANGED,
    "saturated at the 80th percentile",
    "noise, 0.1 SD",
    "bias field, e^0.6",
    "lowest fifth missing",
    "channels swapped",
    "noise, 0.5 SD",
    "left to right",
    "skull and scalp (made ring)",
    "bias field, e^0.3",
    "noise in the background",
)
#: Faults that move the truth with the image.
MOVED = ("lowest fifth missing", "lower half missing", "upside down", "back to front", "left to right")
#: Resamples of patients behind an interval.
_RESAMPLES = 10_000
Numbers = Mapping[str, float]


class Cases:
    """Raw scans of a dataset, and what is made of them.

    Args:
        arguments: Parsed flags: dataset, plans, configuration, fold.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.training = TrainingScans.named(arguments.d, arguments.p, arguments.c, arguments.fold)
        self.setup = self.training.setup()
        raw = dataset_folder("nnUNet_raw", arguments.d)
        self.files = {case.identifier: case.images for case in raw_cases(raw, self.setup.channels)[0]}
        self.labels = raw / "labelsTr"
        self.tested = list(splits_of(self.training.preprocessed)[arguments.fold]["val"])

    def scan(self, case: str) -> Scan:
        """A raw scan.

        Args:
            case: Identifier of the scan.
        """
        return Scan.read(self.files[case], self.setup.reader, len(self.setup.channels))

    def truth(self, case: str, fault: str) -> np.ndarray:
        """Labels (z, y, x) of a scan with a fault.

        Args:
            case: Identifier of the scan.
            fault: Name of the fault.
        """
        label = np.asarray(read_values(self.labels / f"{case}{self.setup.file_ending}"), np.float32)
        if fault not in MOVED:
            return label
        return made(fault, case, Scan(np.stack([label] * len(self.setup.channels)), (1.0,) * 3, "")).image[0]

    def wanted(self, faults: Sequence[str], limit: int | None) -> Iterator[tuple[str, str]]:
        """Pairs of fault and case, in the order in which they are done.

        Args:
            faults: Names of the faults.
            limit: Number of the fold whose validation cases set a limit; of the tested ones if ``None``.
        """
        if limit is not None:
            yield from ((LIMIT, case) for case in splits_of(self.training.preprocessed)[limit]["val"])
        for fault in faults:
            yield from ((fault, case) for case in self.tested[:: 1 if fault == UNCHANGED else 2])


def prepared(scan: Scan, plan: ModelPlan) -> Prepared:
    """nnU-Net's preprocessing of a scan in memory.

    Args:
        scan: Scan to prepare.
        plan: Plan of the model.
    """
    preprocessor = plan.configuration.preprocessor_class(verbose=False)
    properties: dict[str, Any] = {"spacing": list(scan.spacing)}
    image = scan.image.astype(np.float32, copy=True)
    given = (image, None, properties, plan.plans, plan.configuration, plan.dataset)
    data, seg, properties = preprocessor.run_case_npy(*given)
    return np.asarray(data, np.float32), np.asarray(seg)[0] >= 0, properties


def map_numbers(arguments: argparse.Namespace, cases: Cases) -> Callable[[Scan, np.ndarray], Numbers]:
    """The function that scores a scan by its anomaly map.

    Args:
        arguments: Parsed flags: the pretrainer, its folds.
        cases: Raw scans.
    """
    restorer = load_restorer(_folder(arguments), arguments.f, CHECKPOINT, arguments.device, True, None)
    settings = score_settings(restorer.settings)

    def numbers(scan: Scan, truth: np.ndarray) -> Numbers:
        """Median of the map on the grid of the image, as ``scan_score`` takes it of a file."""
        image = prepared(scan, restorer.model)
        score = score_prepared(restorer, "", image, settings).score
        values = restorer.model.original_geometry(score[None], image[2])[0]
        return {"anomaly": float(np.median(values[values > 0])) if (values > 0).any() else 0.0}

    return numbers


def fold_numbers(arguments: argparse.Namespace, cases: Cases) -> Callable[[Scan, np.ndarray], Numbers]:
    """The function that compares the segmentations of folds.

    Args:
        arguments: Parsed flags: the trainer, its folds.
        cases: Raw scans.
    """
    from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

    folder, mirroring = _folder(arguments), not arguments.disable_tta
    predictors = [load_segmenter(folder, fold, CHECKPOINT, mirroring, arguments.device) for fold in arguments.f]
    first = predictors[0]
    plan = ModelPlan(first.plans_manager, first.configuration_manager, first.dataset_json)

    def numbers(scan: Scan, truth: np.ndarray) -> Numbers:
        """Agreement, and Dice to the truth: mean of the folds, and of what most of them mark."""
        image, _, properties = prepared(scan, plan)
        found = []
        for one in predictors:
            logits = one.predict_logits_from_preprocessed_data(torch.from_numpy(image))
            with_shape = (logits, one.plans_manager, one.configuration_manager, one.label_manager, properties)
            found.append(np.asarray(convert_predicted_logits_to_segmentation_with_correct_shape(*with_shape)) > 0)
        most = np.sum(found, axis=0) * 2 > len(found)
        marked = any(map(np.any, found))
        return {
            "agreement": pairwise_dice([f.astype(np.uint8) for f in found]) if marked else math.nan,
            "dice": float(np.mean([dice(f, truth > 0) for f in found])),
            "dice of most": dice(most, truth > 0),
            "marking": float(sum(f.any() for f in found)),
        }

    return numbers


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two masks; 1 where both are empty.

    Args:
        one: Mask, boolean.
        other: Mask, boolean, of the same shape.
    """
    both = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / both if both else 1.0


def measure(arguments: argparse.Namespace, make: Callable[..., Callable[[Scan, np.ndarray], Numbers]]) -> None:
    """Write a row per fault and case, those that are not there.

    Args:
        arguments: Parsed flags.
        make: Function that loads the model.
    """
    cases = Cases(arguments)
    rows = read_rows(arguments.o) if arguments.o.is_file() else []
    there = {(row["fault"], row["case"]) for row in rows}
    todo = [pair for pair in cases.wanted(arguments.faults, arguments.limit) if pair not in there]
    numbers = make(arguments, cases)
    for fault, case in tqdm(todo):
        scan = cases.scan(case) if fault == LIMIT else made(fault, case, cases.scan(case))
        found = numbers(scan, cases.truth(case, fault))
        rows.append({"fault": fault, "case": case, **{key: f"{value:.6g}" for key, value in found.items()}})
        write_csv_file(arguments.o, list(rows[0]), [list(row.values()) for row in rows])


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file.

    Args:
        path: File to read.
    """
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def compared(cases: Cases, pairs: Sequence[tuple[str, str]], rate: float) -> set[tuple[str, str]]:
    """Pairs of fault and case that the comparison with the training scans calls unfit.

    Args:
        cases: Raw scans.
        pairs: Pairs of fault and case.
        rate: Promised rate of false alarms.
    """
    setup = cases.setup
    cohort = Cohort(cases.training.reference(print), range(len(setup.channels)), rate)
    unfit = set()
    for fault, case in tqdm(pairs):
        profile = profile_of(made(fault, case, cases.scan(case)), setup.channels, setup.absolute)
        if worst(judge(profile, cohort.reference, cohort.calibration)) == UNFIT:
            unfit.add((fault, case))
    return unfit


def strange(rows: Sequence[Mapping[str, str]], rate: float) -> set[tuple[str, str]]:
    """Pairs whose anomaly is above the limit: that of scans of their own, else of the unchanged scans of all others.

    Args:
        rows: Rows of ``maps``.
        rate: Promised rate of false alarms.
    """
    own = [float(row["anomaly"]) for row in rows if row["fault"] == LIMIT]
    plain = {row["case"]: float(row["anomaly"]) for row in rows if row["fault"] == UNCHANGED}
    others = {case: own or [v for k, v in plain.items() if k != case] for case in plain}
    limits = {case: conformal_limit(np.array(values), rate)[0] for case, values in others.items()}
    tested = (row for row in rows if row["fault"] != LIMIT)
    return {(row["fault"], row["case"]) for row in tested if float(row["anomaly"]) > limits[row["case"]]}


def ranked(rows: Sequence[Mapping[str, str]], key: str) -> dict[str, float]:
    """Rank correlation of agreement with a Dice, with its bootstrap interval over patients.

    Args:
        rows: Rows of ``folds``.
        key: Column of the Dice.
    """
    pairs = np.array([(float(row["agreement"]), float(row[key])) for row in rows])
    pairs = pairs[np.isfinite(pairs).all(1)]
    rng = np.random.default_rng(0)
    draws = [stats.spearmanr(*pairs[rng.integers(len(pairs), size=len(pairs))].T)[0] for _ in range(_RESAMPLES)]
    low, high = np.nanquantile(draws, (0.025, 0.975))
    error = np.abs(pairs[:, 0] - pairs[:, 1]).mean()
    middle = np.abs(np.median(pairs[:, 1]) - pairs[:, 1]).mean()
    found = {
        "rho": stats.spearmanr(*pairs.T)[0],
        "low": low,
        "high": high,
        "error": error,
        "error of the median": middle,
    }
    return {"scans": len(pairs), **{name: round(float(value), 3) for name, value in found.items()}}


def count_rows(arguments: argparse.Namespace) -> None:
    """Write what is caught by which, and how agreement and Dice go together.

    Args:
        arguments: Parsed flags.
    """
    cases = Cases(arguments)
    limit = AgreementLimit.of(SupervisedModel(_folder(arguments), arguments.f, CHECKPOINT), DEFAULT_RATE)
    print(f"least agreement {limit.limit:.3f}, median Dice of the folds' validation {limit.middle:.3f}")
    folds = read_rows(arguments.folder / "folds.csv")
    maps = {path.stem: read_rows(path) for path in sorted(arguments.folder.glob("maps*.csv"))}
    pairs = [(row["fault"], row["case"]) for row in folds]
    sets = {"comparison": compared(cases, pairs, DEFAULT_RATE)}
    half = compared(cases, pairs, DEFAULT_RATE / 2)
    for name, measured in maps.items():
        found = strange(measured, DEFAULT_RATE / 2)
        sets |= {name: found, f"{name} alone": found - sets["comparison"], f"comparison or {name}": half | found}
    apart = {(row["fault"], row["case"]) for row in folds if float(row["agreement"]) < limit.limit}
    sets |= {"folds": apart, "folds alone": apart - sets["comparison"]}
    before = {row["case"]: float(row["dice"]) for row in folds if row["fault"] == UNCHANGED}
    counted = []
    for fault, number in Counter(fault for fault, _ in pairs).items():
        own = [row for row in folds if row["fault"] == fault]
        caught = {name: sum((fault, row["case"]) in some for row in own) for name, some in sets.items()}
        means = {
            "agreement": np.nanmean([float(row["agreement"]) for row in own]),
            "dice": np.mean([float(row["dice"]) for row in own]),
            "dice unchanged": np.mean([before[row["case"]] for row in own]),
        }
        counted.append({"fault": fault, "scans": number, **caught, **{k: round(float(v), 3) for k, v in means.items()}})
    every = {UNCHANGED: [row for row in folds if row["fault"] == UNCHANGED], "all faults": folds}
    keys = ("dice", "dice of most")
    told = [{"of": of, "dice": key, **ranked(some, key)} for of, some in every.items() for key in keys]
    for name, rows in (("scan_fault_models", counted), ("scan_agreement", told)):
        write_csv_file(arguments.o / f"{name}.csv", list(rows[0]), [list(row.values()) for row in rows])
        print(*rows, sep="\n")


def _folder(arguments: argparse.Namespace) -> Path:
    """Folder of the model in nnUNet_results."""
    results = required_folder("nnUNet_results")
    return ModelFolder(results, dataset_name(results, arguments.d), arguments.tr, arguments.p, arguments.c).path


def main() -> None:
    """Measure, or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("maps", "folds", "rows"))
    parser.add_argument("folder", nargs="?", type=Path, help="of maps.csv and folds.csv, for rows")
    parser.add_argument("-d", required=True, help="dataset")
    parser.add_argument("-c", required=True, help="configuration")
    parser.add_argument("-p", default="nnUNetPlans", help="plans")
    parser.add_argument("--fold", type=int, required=True, help="fold: its training cases are the reference")
    parser.add_argument("-tr", required=True, help="trainer of the model")
    parser.add_argument("-f", nargs="+", required=True, help="folds of the model")
    parser.add_argument("-o", type=Path, required=True, help="rows to write or to continue; a folder, for rows")
    parser.add_argument("--faults", nargs="+", default=CHOSEN, choices=list(FAULTS), help="these alone")
    parser.add_argument("--limit", type=int, help="fold whose validation cases set the limit of maps, tested none of")
    parser.add_argument("--disable_tta", action="store_true", help="no mirroring when folds segment")
    parser.add_argument("-device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "rows":
        count_rows(arguments)
        return
    measure(arguments, map_numbers if arguments.what == "maps" else fold_numbers)


if __name__ == "__main__":
    main()
