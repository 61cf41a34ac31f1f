"""How are inputs refused that nobody should give? Every boundary is walked with values of the wrong kind, size or form.

    python benchmarks/bad_inputs.py

A row per boundary: inputs tried, refused in words that name the file or the key, taken, ended by anything else (a
traceback to a user), the longest that an input took and the most memory that one took. Times are those of a process
whose memory is traced, so upper bounds. Taken is right where a key may say anything or be left out; the last column
shows some. Exits with 1 where there is a traceback, or an input above :data:`MOST_SECONDS` or :data:`MOST_MIB`.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import resource
import sys
import tempfile
import time
import tracemalloc
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nnunet_uad.cli.study import EXAMPLE
from nnunet_uad.common.bounds import bounds_of
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans, load_splits
from nnunet_uad.common.settings import read_settings, typed
from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.data.complete_plans import require_complete
from nnunet_uad.methods import settings_classes
from nnunet_uad.report.forms import read_robustness, read_scores, read_training
from nnunet_uad.scoring.score_settings import ScoreSettings, channel_weights
from nnunet_uad.scoring.thresholds import resolve_threshold, stored_thresholds
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.study_file import read_study

#: What takes the place of a value.
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**40,
    1e308,
    math.nan,
    math.inf,
    "",
    "x" * 400,
    "../x",
    [],
    {},
    [[]],
    {"a": 1},
)
#: What an input may take until it is refused.
MOST_SECONDS, MOST_MIB = 2.0, 200.0
#: What takes the place of a file.
BROKEN = (b"", b'{"a": ', b"[1]", b"null", b"5", b'"x"', b'{"a": 1}', b'{"a": 1, "a": 2}', b"\x00\xff\xfe", b"[" * 5000)


@dataclass
class Row:
    """What became of the inputs of a boundary.

    Attributes:
        refused: Number of inputs refused in words.
        taken: Inputs that passed.
        unnamed: Refusals that name neither file nor key.
        ended: Inputs that ended otherwise.
        seconds: CPU time of the slowest input.
        slowest: Words for it.
        mib: Memory of the largest input, MiB: of Python's objects, or what the process grew by.
    """

    refused: int = 0
    taken: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    seconds: float = 0.0
    slowest: str = ""
    mib: float = 0.0

    def add(self, shown: str, name: str, use: Callable[[], Any]) -> None:
        """Try an input.

        Args:
            shown: Words for the input.
            name: Name that a refusal must say.
            use: Function that reads it.
        """
        tracemalloc.reset_peak()
        before, grown, start = tracemalloc.get_traced_memory()[0], _high_water(), time.process_time()
        try:
            use()
        except (ValueError, FileNotFoundError) as error:
            self.refused += 1
            if name not in str(error):
                self.unnamed.append(f"{shown}: {error}")
        except Exception as error:
            self.ended.append(f"{shown}: {type(error).__name__}: {error}")
        else:
            self.taken.append(shown)
        taken = time.process_time() - start
        traced = (tracemalloc.get_traced_memory()[1] - before) / 2**20
        self.mib = max(self.mib, traced, _high_water() - grown)
        if taken > self.seconds:
            self.seconds, self.slowest = taken, shown


def _high_water() -> float:
    """The most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def changed(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in turn replaced by each wrong one, every key in turn left out.

    Args:
        content: Content of a file that is right.
        path: Place of the content, for words.

    Yields:
        Words for the change, the changed content.
    """
    if path:
        for value in WRONG:
            yield f"{path}={str(value)[:20]}", value
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, inner in itertools.islice(entries, 40):
        if isinstance(content, dict):
            yield f"{path}/{key} left out", {k: v for k, v in content.items() if k != key}
        for words, new in changed(inner, f"{path}/{key}"):
            copied = json.loads(json.dumps(content))
            copied[key] = new
            yield words, copied


def settings() -> Row:
    """Every number of every trainer outside its bounds or of a wrong kind; keys that nobody has; texts cut short."""
    row = Row()
    read_settings(ScoreSettings, "")
    for cls in settings_classes().values():
        hints = typing.get_type_hints(cls, include_extras=True)
        for name in (f.name for f in dataclasses.fields(cls) if bounds_of(hints[f.name])):
            for value in (*WRONG, "1 " + name + "=1"):
                text = f"{name}={value if isinstance(value, str) else typed(value)}"
                row.add(text, name, lambda c=cls, t=text: read_settings(c, t))  # type: ignore[misc]
    for text in ("a", "=1", "a='", 'a="', "a=1 a=1", "nois=1", "\\", "seed=1seed=2", "a=" + "[" * 9000):
        row.add(text, "", lambda t=text: read_settings(ScoreSettings, t))  # type: ignore[misc]
    return row


def scores_of_maps() -> Row:
    """Weights of channels and thresholds that are no numbers."""
    row = Row()
    for text in (
        "FLAIR:nan",
        "FLAIR:inf",
        "FLAIR:1e308",
        "FLAIR:",
        "FLAIR",
        "X:1",
        ":",
        "",
        ",",
        "FLAIR:0",
        "FLAIR:-inf",
    ):
        row.add(text, "channel_weights", lambda t=text: channel_weights(t, ["FLAIR", "T1"]))  # type: ignore[misc]
    for text in ("nan", "inf", "-inf", "1e999", "best", "", "x", "1e300"):
        row.add(text, "--threshold", lambda t=text: resolve_threshold(t, {}))  # type: ignore[misc]
    for text in ("smoothing_mm=nan", "median_mm=-1", "residual=x", "smoothing_mm=1e9", "a='"):
        row.add(text, "--score", lambda t=text: read_settings(ScoreSettings, t, source="--score"))  # type: ignore[misc]
    return row


def file(path: Path, content: Any, read: Callable[[], Any]) -> Row:
    """A JSON file, broken in every way.

    Args:
        path: File to write.
        content: Content that is right.
        read: Function that reads the file.
    """
    row = Row()
    path.parent.mkdir(parents=True, exist_ok=True)
    write = path.write_bytes
    write(json.dumps(content).encode())
    read()
    for data in BROKEN:
        write(data)
        row.add(str(data[:12]), path.stem, read)
    for words, new in changed(content):
        write(json.dumps(new).encode())
        row.add(words, path.stem, read)
    write(json.dumps(content).encode())
    return row


def study(path: Path) -> Row:
    """``study.yaml``, broken in every way.

    Args:
        path: File to write.
    """
    row, content = Row(), yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    path.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    read_study(path)
    bomb = "a: &a [x]\n" + "".join(f"k{i}: &k{i} [{','.join([f'*k{i - 1}' if i else '*a'] * 10)}]\n" for i in range(9))
    for text in (bomb, "a: &a [*a]", "a: 1\na: 2", "- 1", "5", "", "a: [", "[" * 9000, "a: !!python/name:os.system x"):
        path.write_text(text, encoding="utf-8")
        row.add(text[:20], path.name, lambda: read_study(path))
    path.write_bytes("title: ä".encode("latin-1"))
    row.add("latin-1", path.name, lambda: read_study(path))
    for words, new in changed(content):
        path.write_text(yaml.safe_dump(new), encoding="utf-8")
        row.add(words, path.name, lambda: read_study(path))
    return row


def whole_plans() -> dict[str, Any]:
    """Plans with all that nnU-Net reads of them."""
    layers: dict[str, Any] = {
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    }
    layers |= {"dropout_op": None, "nonlin": "torch.nn.LeakyReLU"}
    arguments = {
        "n_stages": 2,
        "features_per_stage": [8, 16],
        "kernel_sizes": [[3, 3]] * 2,
        "conv_bias": True,
        **layers,
    }
    arguments |= {
        "strides": [[1, 1], [2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
    }
    arguments |= {"norm_op_kwargs": {"eps": 1e-5, "affine": True}, "nonlin_kwargs": {"inplace": True}}
    name = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
    network = {"network_class_name": name, "arch_kwargs": arguments, "_kw_requires_import": list(layers)}
    configuration = {"data_identifier": "x", "spacing": [1.0, 1.0], "patch_size": [32, 32], "batch_size": 2}
    configuration |= {"preprocessor_name": "DefaultPreprocessor", "median_image_size_in_voxels": [32.0, 32.0]}
    configuration |= {"normalization_schemes": ["CTNormalization"], "use_mask_for_norm": [False], "batch_dice": True}
    for kind in ("data", "seg", "probabilities"):
        configuration[f"resampling_fn_{kind}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{kind}_kwargs"] = {"is_seg": False, "order": 1, "order_z": 0}
    statistics = {"mean": 1.0, "std": 1.0, "percentile_00_5": 0.0, "percentile_99_5": 2.0}
    axes = {"transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2]}
    plans: dict[str, Any] = {
        "plans_name": "nnUNetPlans",
        "dataset_name": "Dataset901_X",
        "image_reader_writer": "SimpleITKIO",
        **axes,
    }
    plans |= {"foreground_intensity_properties_per_channel": {"0": statistics}, "label_manager": "LabelManager"}
    return {**plans, "configurations": {"2d": {**configuration, "architecture": network}}}


def main() -> int:
    """Print the table.

    Returns:
        1 where an input ended otherwise than refused or taken, or took too long or too much.
    """
    tracemalloc.start()
    folder = Path(tempfile.mkdtemp())
    labels = {"background": 0, "lesion": 1, "whole": [1, 2]}
    dataset = {"channel_names": {"0": "FLAIR"}, "labels": labels, "file_ending": ".nii.gz", "numTraining": 3}
    dataset |= {"regions_class_order": [1, 2], "overwrite_image_reader_writer": "SimpleITKIO", "name": "X"}
    score = {"thresholds": {"best": {"value": 1.0, "cases": ["a"], "how": "best"}}, "score": {}}
    counts = {"lesions": 2, "found": 1, "findings": 1, "correct": 1, "scans": 1}
    bins = {name: [1.0] * 11 for name in ("voxels", "probability", "positives")}
    row = {"case": "a", "Dice": 0.5, "AP": None, "compared": "classes", "lesions": counts, "reliability": bins}
    training = {"seconds": 1.0, "device": "cpu", "versions": {"torch": "2"}, "arm": "a", "reports": {}}
    trainer = {"clean": {"Dice": 0.5}, "mean corruption error": 1.0, "interval_95": [0.9, 1.1]}
    fold = {"id": "f", "outer": 0, "budget": "1", "draw": 0, "train": ["a"], "val": ["b"], "slices": {}}
    fold |= {"annotated_slices": 3, "dataset": "Dataset901_X", "index": 5}
    test = {"dataset": "Dataset902_Y", "labels": {"c": "c.nii.gz"}, "classes": labels}
    plan = {"format": 1, "dataset": "Dataset901_X", "slice_dataset": None, "fingerprint": "f", "seed": 0, "arms": {}}
    plan |= {
        "needs": {"a": {"0": {"weights": "p"}}},
        "pretrainings": {"p": {"trainer": "t", "dataset": "Dataset901_X", "fold": 0, "settings": ""}},
        "tests": [test],
        "folds": [fold],
    }
    arms = {"a": {"trainer": "nnUNetTrainer"}}
    request = {"study": {"dataset": "901", "configuration": "2d", "budgets": ["1"], "trainers": arms}}
    request |= {"paths": {"nnUNet_raw": "/r", "nnUNet_preprocessed": "/p"}}
    at = {
        name: folder / f"{name}.json" for name in ("dataset", "nnUNetPlans", "splits_final", "robustness", "training")
    }
    plans = at["nnUNetPlans"]
    unlabelled, kept = folder / "unlabelled_cases.json", folder / "anomaly_thresholds.json"
    scores = folder / "scores_Dataset901_X.json"
    splits = [{"train": ["a"], "val": ["b"]}]
    rows = {
        "settings of all trainers": settings(),
        "scores of maps, thresholds": scores_of_maps(),
        "study.yaml": study(folder / "study.yaml"),
        "dataset.json": file(at["dataset"], dataset, lambda: load_dataset_json(at["dataset"])),
        "plans": file(at["nnUNetPlans"], whole_plans(), lambda: require_complete(load_plans(plans), "2d", str(plans))),
        "splits_final.json": file(at["splits_final"], splits, lambda: load_splits(at["splits_final"])),
        "unlabelled_cases.json": file(unlabelled, ["a"], lambda: unlabelled_cases(folder)),
        "anomaly_thresholds.json": file(kept, score, lambda: stored_thresholds([folder], {})),
        "scores": file(scores, {"rows": [row], "seconds": 1.0}, lambda: read_scores(scores, ["a"])),
        "training.json": file(at["training"], training, lambda: read_training(at["training"])),
        "robustness.json": file(
            at["robustness"],
            {"reference": "a", "cases": 1, "trainers": {"a": trainer}},
            lambda: read_robustness(at["robustness"]),
        ),
        "study.json": file(folder / "study.json", plan, lambda: Layout(folder).plan),
        "request.json": file(folder / "request.json", request, lambda: Layout(folder).study),
    }
    print("| boundary | inputs | refused by name | without | traceback | slowest, s | most, MiB | taken, for example |")
    print("|---|---|---|---|---|---|---|---|")
    for name, found in rows.items():
        inputs = found.refused + len(found.taken) + len(found.ended)
        numbers = [inputs, found.refused - len(found.unnamed), len(found.unnamed), len(found.ended)]
        bounds = f"{found.seconds:.2f} ({found.slowest[:40]}) | {found.mib:.1f}"
        taken = f"{len(found.taken)}: {', '.join(found.taken[:: max(1, len(found.taken) // 8)])}"
        print(f"| {name} | {' | '.join(map(str, numbers))} | {bounds} | {taken} |")
    for name, found in rows.items():
        for line in (*found.unnamed[:5], *found.ended[:5]):
            print(f"{name}: {line[:300]}")
    wrong = [r for r in rows.values() if r.ended or r.seconds > MOST_SECONDS or r.mib > MOST_MIB]
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
