"""Is it worth adapting a pretraining to another hospital's scans? Low-grade glioma, labels of DU, tests on HT.

    export nnUNet_preprocessed=COPY nnUNet_results=FOLDER   # COPY holds 905 as 2d_small, without splits_final.json
    python benchmarks/site_adaptation.py rates              # which rate to go on with: DU to CS, no scan of HT
    python benchmarks/site_adaptation.py study              # the arms; again after an interruption: finished cells stay
    python benchmarks/site_adaptation.py rows -o docs/results/rows

A study file (``benchmarks/studies``) cannot say that one pretraining goes on from another. The scans of HT are halved:
the weights are adapted to one half, without labels, and both halves are tested, so that what is gained on scans that
nobody has seen stands beside what is gained on the scans that were adapted to. All in one process, by nnU-Net's own
functions: on a busy machine to start one takes longer than a short training.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_json
from nnunet_uad.common.nnunet import dataset_folder
from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.data.splits import SPLITS_FILE
from nnunet_uad.pretrain.continuation import ContinuationSection
from nnunet_uad.statistics.comparison import compare, holm
from nnunet_uad.statistics.intervals import interval
from nnunet_uad.statistics.matrix import ScoreMatrix
from nnunet_uad.weights.checkpoint import read_checkpoint
from nnunet_uad.weights.names import FILE_NAME, WEIGHTS_VARIABLE

DATASET, CONFIGURATION, PLANS = "Dataset905_LGG", "2d_small", "nnUNetPlans"
BUDGETS, DRAWS = (2, 5), 3
#: Dice of every tested case, beside a cell's checkpoints.
SCORES = "dice_of_HT.json"
SCRATCH, TUNED, PRETRAINER = "nnUNetTrainerFromScratch", "nnUNetTrainerDAEPretrained", "nnUNetPretrainerDAE"
#: Name of a pretraining → its fold, its length as a multiple of the others', and the one that it goes on from.
PRETRAININGS = {
    "DU": ("DU", 1, ""),
    "HT": ("HT", 1, ""),
    "adapted": ("HT", 1, "DU"),
    "joint": ("DU and HT", 2, ""),
}
ADAPTED, JOINT = "DU, adapted to HT", "DU and HT together"
ARMS = {
    "scratch": "",
    "DU alone": "DU",
    ADAPTED: "adapted",
    "HT alone": "HT",
    JOINT: "joint",
}
#: Settings of going on that are compared.
RATES = ("init_lr=1", "init_lr=0.3", "init_lr=0.1")


@dataclass(frozen=True)
class Length:
    """How long trainings are.

    Attributes:
        pretraining: Epochs of a pretraining.
        fine_tuning: Epochs of a fine-tuning.
        steps: Training steps per epoch of a pretraining.
        tuning_steps: Training steps per epoch of a fine-tuning.
    """

    pretraining: int = 10
    fine_tuning: int = 10
    steps: int = 100
    tuning_steps: int = 30


@dataclass(frozen=True)
class Job:
    """A training.

    Attributes:
        name: Folder of its results below nnUNet_results.
        trainer: Name of the trainer, with its length.
        fold: Name of its fold.
        settings: Assignments of nnUNet_uad_settings.
        weights: Name of the pretraining that it is fine-tuned from, empty for none.
    """

    name: str
    trainer: str
    fold: str
    settings: str
    weights: str = ""


def cases_of(site: str) -> list[str]:
    """Cases of a hospital, which is the second part of their names."""
    folder = dataset_folder("nnUNet_preprocessed", DATASET) / "gt_segmentations"
    return sorted(p.name.removesuffix(".nii.gz") for p in folder.glob(f"lgg_{site}_*.nii.gz"))


def halves(site: str) -> tuple[list[str], list[str]]:
    """The cases of a hospital whose scans are adapted to, and those that nobody sees before they are tested."""
    cases = cases_of(site)
    random.Random(site).shuffle(cases)
    return sorted(cases[: len(cases) // 2]), sorted(cases[len(cases) // 2 :])


def folds() -> dict[str, dict[str, list[str]]]:
    """Name → fold; those of a pretraining are monitored on hospitals that are neither labelled nor tested."""
    (adapted, unseen), (rated, kept), du = halves("HT"), halves("CS"), cases_of("DU")
    found = {
        "DU": {"train": du, "val": kept},
        "HT": {"train": adapted, "val": cases_of("FG")},
        "DU and HT": {"train": du + adapted, "val": cases_of("FG")},
        "CS": {"train": rated, "val": kept},
    }
    for draw in range(DRAWS):
        order = random.Random(f"draw {draw}").sample(du, len(du))
        found |= {f"{budget} of draw {draw}": {"train": order[:budget], "val": adapted + unseen} for budget in BUDGETS}
    return found


def write_splits() -> list[str]:
    """Write the folds where nnU-Net reads them; returns their names in that order.

    Raises:
        FileExistsError: The dataset has other folds, which are not replaced.
    """
    path, wanted = dataset_folder("nnUNet_preprocessed", DATASET) / SPLITS_FILE, folds()
    if path.is_file() and read_json(path) != list(wanted.values()):
        raise FileExistsError(f"{path} holds other folds. Work on a copy of nnUNet_preprocessed without that file.")
    if not path.is_file():
        write_json(path, list(wanted.values()))
    return list(wanted)


def folder_of(job: Job, names: Sequence[str]) -> Path:
    """Where nnU-Net keeps the training."""
    model = f"{job.trainer}__{PLANS}__{CONFIGURATION}"
    return Path(os.environ["nnUNet_results"]) / job.name / DATASET / model / f"fold_{names.index(job.fold)}"


def is_finished(job: Job, names: Sequence[str]) -> bool:
    """Whether a training has ended, and its test, if it has one."""
    last = "checkpoint_final.pth" if job.trainer.startswith(PRETRAINER) else SCORES
    return (folder_of(job, names) / last).is_file()


def train(job: Job, names: Sequence[str], pretrainings: dict[str, Job]) -> None:
    """nnU-Net's own training on the CPU, begun or continued, and the test of a fine-tuned network."""
    results, folder = os.environ["nnUNet_results"], folder_of(job, names)
    own = {"nnUNet_results": f"{results}/{job.name}", SETTINGS_VARIABLE: job.settings}
    if job.weights:
        own[WEIGHTS_VARIABLE] = str(folder_of(pretrainings[job.weights], names) / FILE_NAME)
    before = {key: os.environ.get(key) for key in own}
    os.environ.update(own)
    begun = (folder / "checkpoint_latest.pth").is_file() or (folder / "checkpoint_final.pth").is_file()
    try:
        device = torch.device("cpu")
        fold = names.index(job.fold)
        trainer = get_trainer_from_args(DATASET, CONFIGURATION, fold, job.trainer, PLANS, begun, device=device)
        maybe_load_checkpoint(trainer, begun, False, None)
        trainer.run_training()
        if not job.trainer.startswith(PRETRAINER):
            write_json(folder / SCORES, tested(trainer))
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def tested(trainer: Any) -> dict[str, float]:
    """Case → Dice of the validation cases, predicted without mirroring, compared on the grid of the raw image."""
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(use_mirroring=False, device=trainer.device, perform_everything_on_device=False)
    plans, configuration, described = trainer.plans_manager, trainer.configuration_manager, trainer.dataset_json
    name = type(trainer).__name__
    predictor.manual_initialization(trainer.network, plans, configuration, None, described, name, None)
    cases = trainer.do_split()[1]
    dataset = trainer.dataset_class(trainer.preprocessed_dataset_folder, cases)
    reader, truths = plans.image_reader_writer_class(), Path(trainer.preprocessed_dataset_folder_base)
    found = {}
    for case in cases:
        data, _, _, properties = dataset.load_case(case)
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(np.asarray(data[:])))
        segmentation = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, plans, configuration, trainer.label_manager, properties
        )
        truth = reader.read_seg(str(truths / "gt_segmentations" / f"{case}.nii.gz"))[0][0] == 1
        both, either = ((segmentation == 1) & truth).sum(), (segmentation == 1).sum() + truth.sum()
        found[case] = float(2 * both / max(either, 1))
    return found


def pretrainings_of(length: Length, names: Sequence[str], init_lr: float) -> dict[str, Job]:
    """Name → pretraining of the study, in the order in which they can be made."""
    jobs: dict[str, Job] = {}
    for name, (fold, times, base) in PRETRAININGS.items():
        trainer = f"{PRETRAINER}_{times * length.pretraining}epochs_{length.steps}iters"
        init = f" init={folder_of(jobs[base], names) / FILE_NAME} init_lr={init_lr}" if base else ""
        jobs[name] = Job(f"pretrained_{name}", trainer, fold, f"sampling=anywhere seed=0{init}")
    return jobs


def tunings_of(length: Length) -> Iterator[tuple[str, int, int, Job]]:
    """Arm, budget, draw and fine-tuning of every cell, draw by draw."""
    for draw in range(DRAWS):
        for budget in BUDGETS:
            for number, (arm, weights) in enumerate(ARMS.items()):
                trainer = f"{TUNED if weights else SCRATCH}_{length.fine_tuning}epochs_{length.tuning_steps}iters"
                fold, settings = f"{budget} of draw {draw}", f"seed={draw} mirroring=false"
                yield arm, budget, draw, Job(f"tuned_{number}", trainer, fold, settings, weights)


def rates_of(base: Job, length: Length, names: Sequence[str]) -> dict[str, Job]:
    """Settings → pretraining that goes on from DU to CS; first that of DU, last the controls."""
    trainer, rest = f"{PRETRAINER}_{length.pretraining}epochs_{length.steps}iters", "sampling=anywhere seed=0"
    jobs, file = {"DU, not adapted": base}, folder_of(base, names) / FILE_NAME
    for number, rate in enumerate(RATES):
        jobs[f"on CS, {rate}"] = Job(f"rate_{number}", trainer, "CS", f"{rest} init={file} {rate}")
    # What the same steps would have done without any scan of CS.
    jobs["on DU instead, init_lr=1"] = Job("rate_du", trainer, "DU", f"{rest} init={file} init_lr=1")
    return jobs | {"CS, from random weights": Job("rate_random", trainer, "CS", rest)}


def run_all(jobs: Sequence[Job], names: Sequence[str], pretrainings: dict[str, Job], minutes: float) -> None:
    """Train what is not finished; nothing is begun after the time."""
    end = time.monotonic() + 60 * minutes
    for job in jobs:
        if not is_finished(job, names) and time.monotonic() < end:
            started = time.monotonic()
            train(job, names, pretrainings)
            print(f"{job.name}, {job.fold}: {time.monotonic() - started:.0f} s")


def scores_of(length: Length, names: Sequence[str]) -> dict[tuple[str, int], ScoreMatrix]:
    """Arm and budget → Dice of all finished draws on all tested patients."""
    entries: dict[tuple[str, int], list[tuple[int, str, float]]] = {}
    for arm, budget, draw, job in tunings_of(length):
        if is_finished(job, names):
            found = read_json(folder_of(job, names) / SCORES).items()
            entries.setdefault((arm, budget), []).extend((draw, case, dice) for case, dice in found)
    return {key: ScoreMatrix.of(cells) for key, cells in entries.items()}


def tested_on(scores: ScoreMatrix, cases: Sequence[str]) -> ScoreMatrix:
    """The scores of some patients."""
    columns = [k for k, case in enumerate(scores.cases) if case in cases]
    return ScoreMatrix(scores.trainings, tuple(scores.cases[k] for k in columns), scores.values[:, columns])


def write_rows(length: Length, names: Sequence[str], folder: Path) -> None:
    """Means with intervals, differences between the adapted arm and each other one, and the rates."""
    adapted, unseen = halves("HT")
    groups = {"unseen": unseen, "adapted to": adapted, "all": adapted + unseen}
    scores, means, differences = scores_of(length, names), [], []
    for group, cases in groups.items():
        for budget in BUDGETS:
            of_arm = {arm: tested_on(found, cases) for (arm, b), found in scores.items() if b == budget}
            for arm, found in of_arm.items():
                bounds = interval(found)
                ends = (bounds.low, bounds.high) if bounds else (None, None)
                means.append([group, budget, arm, len(found.trainings), len(found.cases), found.mean, *ends])
            others = [arm for arm in of_arm if arm != ADAPTED and ADAPTED in of_arm]
            compared = [compare(of_arm[ADAPTED], of_arm[arm]) for arm in others]
            corrected = holm([c.p if c else float("nan") for c in compared])
            for arm, found_, p in zip(others, compared, corrected, strict=True):
                if found_ is not None and found_.interval is not None:
                    numbers = [found_.trainings, found_.cases, found_.difference]
                    ends = (found_.interval.low, found_.interval.high)
                    differences.append([group, budget, arm, *numbers, *ends, found_.p, p, found_.better])
    columns = ["patients", "labelled", "arm", "draws", "tested", "dice", "low_95", "high_95"]
    write_csv_file(folder / "site_adaptation_scores.csv", columns, means)
    columns = ["patients", "labelled", "to", "draws", "tested", "difference", "low_95", "high_95"]
    write_csv_file(folder / "site_adaptation_differences.csv", [*columns, "p", "p_holm", "share_better"], differences)


def write_rates(jobs: dict[str, Job], names: Sequence[str], folder: Path) -> None:
    """What is explained of scans of CS that nothing was trained on, in the last epochs."""
    rows = []
    for name, job in jobs.items():
        if is_finished(job, names):
            logged = read_checkpoint(folder_of(job, names) / "checkpoint_final.pth").content["logging"]
            rows.append([name, *(logged["mean_fg_dice"][-k] for k in (1, 2))])
    write_csv_file(folder / "site_adaptation_rates.csv", ["setting", "last", "last_but_one"], rows)


def main() -> None:
    """Parse the flags and do what they ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rates", "study", "rows"))
    parser.add_argument("-o", type=Path, default=Path(), help="folder of the rows")
    parser.add_argument("--pretraining", type=int, nargs=2, default=(10, 100), help="epochs and steps per epoch")
    parser.add_argument("--tuning", type=int, nargs=2, default=(10, 30), help="epochs and steps per epoch")
    parser.add_argument("--rates", type=int, nargs=2, default=(2, 50), help="epochs and steps per epoch")
    rate = ContinuationSection().init_lr
    parser.add_argument("--init-lr", type=float, default=rate, help="at which the adapted weights go on")
    parser.add_argument("--minutes", type=float, default=1e6, help="no training begins after so long")
    flags = parser.parse_args()
    names = write_splits()
    length = Length(flags.pretraining[0], flags.tuning[0], flags.pretraining[1], flags.tuning[1])
    pretrainings = pretrainings_of(length, names, flags.init_lr)
    rates = rates_of(pretrainings["DU"], Length(flags.rates[0], 1, flags.rates[1], 1), names)
    if flags.what == "rates":
        run_all(list(rates.values()), names, {}, flags.minutes)
    elif flags.what == "study":
        jobs = [*pretrainings.values(), *(job for *_, job in tunings_of(length))]
        # The longest pretraining and what starts from it come last: they are what is left out where time is short.
        last = [job for job in jobs if "joint" in (job.weights, job.name.removeprefix("pretrained_"))]
        run_all([*(job for job in jobs if job not in last), *last], names, pretrainings, flags.minutes)
    else:
        write_rows(length, names, flags.o)
        write_rates(rates, names, flags.o)


if __name__ == "__main__":
    main()
