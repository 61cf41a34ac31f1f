"""Does ``nnunet_uad check`` keep its promise? Halves of the training cases of a fold, each judged by the other half.

    python benchmarks/scan_promise.py -d 905 -c 2d_small --fold 5 --halves 60 -o docs/results/rows/scan_promise.csv

For all channels together and for each alone: how many of the cases are unfit when each is judged by a reference of all
others, and how many of a random half by a reference of the other half, over many halves. A limit is drawn with its
reference, so counts of one half differ by more than a coin of the promised rate would: with exact promises they are
beta-binomial (Vovk 2013, DOI 10.1007/s10994-013-5355-6), which stands beside. Validation cases are not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scan_faults import Rows
from scipy import stats
from tqdm import tqdm

from nnunet_uad.common.nnunet import dataset_folder
from nnunet_uad.data.cohort import raw_cases
from nnunet_uad.data.splits import splits_of
from nnunet_uad.quality.calibration import Calibration
from nnunet_uad.quality.findings import judge, worst
from nnunet_uad.quality.names import DEFAULT_RATE, UNFIT
from nnunet_uad.quality.profile import Profile, profile_of
from nnunet_uad.quality.reference import Reference, Setup
from nnunet_uad.quality.scan import Scan
from nnunet_uad.quality.training_scans import TrainingScans


def unfit(reference: Sequence[Profile], judged: Sequence[Profile], setup: Setup) -> int:
    """How many scans are unfit.

    Args:
        reference: Profiles of the scans that they are judged by.
        judged: Profiles of the scans.
        setup: Way of reading them.
    """
    made = Reference.of(reference, setup)
    calibration = Calibration.of(made.names, made.values, DEFAULT_RATE)
    return sum(worst(judge(profile, made, calibration)) == UNFIT for profile in judged)


def row(name: str, profiles: Sequence[Profile], setup: Setup, halves: int) -> dict[str, object]:
    """What is counted of one choice of channels.

    Args:
        name: Name of the channels.
        profiles: Profiles of the training cases.
        setup: Way of reading them.
        halves: Number of random halves.
    """
    alone = range(len(profiles))
    one_out = sum(unfit([*profiles[:k], *profiles[k + 1 :]], [profiles[k]], setup) for k in tqdm(alone, desc=name))
    rng, half, counts = np.random.default_rng(0), len(profiles) // 2, []
    for _ in tqdm(range(halves), desc=f"{name}, halves"):
        order = [profiles[k] for k in rng.permutation(len(profiles))]
        counts.append(unfit(order[:half], order[half:], setup))
    judged = len(profiles) - half
    expected = stats.betabinom(judged, 1, half)
    return {
        "scans of": name,
        "fault": "unchanged",
        "scans": len(profiles),
        "unfit": one_out,
        "by": f"{halves} halves",
        "promised": round(1 / (half + 1), 3),
        "rate": round(float(np.mean(counts)) / judged, 3),
        "none": round(float(np.mean(np.array(counts) == 0)), 2),
        "none expected": round(float(expected.pmf(0)), 2),
        "three or more": round(float(np.mean(np.array(counts) >= 3)), 2),
        "three or more expected": round(float(expected.sf(2)), 2),
    }


def main() -> None:
    """Count, and write the rows; those that are there are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", required=True, help="dataset")
    parser.add_argument("-c", required=True, help="configuration")
    parser.add_argument("-p", default="nnUNetPlans", help="plans")
    parser.add_argument("--fold", type=int, required=True, help="fold whose training cases are taken")
    parser.add_argument("--halves", type=int, default=60, help="number of random halves")
    parser.add_argument("-o", type=Path, required=True, help="rows to write, or to continue")
    arguments = parser.parse_args()
    training = TrainingScans.named(arguments.d, arguments.p, arguments.c, arguments.fold)
    setup, rows = training.setup(), Rows(arguments.o)
    raw = dataset_folder("nnUNet_raw", arguments.d)
    files = {case.identifier: case.images for case in raw_cases(raw, setup.channels)[0]}
    cases = splits_of(training.preprocessed)[arguments.fold]["train"]
    scans = [Scan.read(files[case], setup.reader, len(setup.channels)) for case in tqdm(cases, desc="reading")]
    choices: dict[str, list[int]] = {" and ".join(setup.channels): list(range(len(setup.channels)))}
    choices |= {f"{name} alone": [k] for k, name in enumerate(setup.channels)}
    for name, channels in choices.items():
        if not rows.missing(name, "unchanged"):
            continue
        names, absolute = (tuple(given[k] for k in channels) for given in (setup.channels, setup.absolute))
        own = replace(setup, channels=tuple(map(str, names)), absolute=tuple(map(bool, absolute)))
        profiles = [profile_of(replace(s, image=s.image[channels]), own.channels, own.absolute) for s in scans]
        rows.add(row(name, profiles, own, arguments.halves))


if __name__ == "__main__":
    main()
