"""Score anomaly maps against labels: pooled, per case, lesion by lesion, with intervals over cases.

Maps are case_map.nii.gz (as nnunet_uad predict writes them) or case.nii.gz, labels case.nii.gz. Writes JSON and,
beside it, the same numbers as CSV. A voxel counts once whatever its volume; nothing is resampled unless asked.
With the raw images (-i) the floor stands beside the maps: the image itself as robust z, at four scales.

Examples:
    nnunet_uad evaluate -maps MAPS -gt labelsTr -o summary.json -i imagesTr
    nnunet_uad evaluate -maps MAPS -gt labelsTr -o summary.json -i imagesTr --baseline robust_z:T1 intensity:FLAIR
    nnunet_uad evaluate -maps fold_0/validation fold_1/validation -gt labelsTr -o summary.json
    nnunet_uad evaluate -maps PREDICTIONS --probabilities -gt labelsTr -o summary.json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import LABEL, number, report_failures
from nnunet_uad.common.bounds import ANY_FINITE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("-maps", nargs="+", type=Path, required=True, metavar="FOLDER", help="anomaly maps; several for folds")
    add("-gt", type=Path, required=True, metavar="FOLDER", help="labels")
    add("-o", type=Path, required=True, metavar="FILE", help="summary.json to write; the CSV goes beside it")
    add("-i", type=Path, metavar="FOLDER", help="raw images, for the floor beside the maps")
    add(
        "--baseline",
        nargs="+",
        default=[],
        metavar="KIND:CHANNEL",
        help="channel of the floor, by name or number: robust_z:CHANNEL, robust_z:-CHANNEL for dark lesions, "
        "intensity:CHANNEL for the equalised intensity, too; default: the channel that the maps weight most",
    )
    add("--channels", nargs="+", default=[], metavar="NAME", help="names of the images' channels, in their order")
    add("--masks", type=Path, metavar="FOLDER", help="foregrounds; scores outside count as 0, they are not removed")
    add(
        "--labels",
        nargs="+",
        type=number(int, LABEL),
        default=[],
        metavar="N",
        help="label values that count as lesion",
    )
    add("--ignore-label", type=number(int, LABEL), metavar="N", help="label value whose voxels do not count")
    add("--threshold", type=number(float, ANY_FINITE), help="also score the masks of this threshold, fixed beforehand")
    add(
        "--probabilities",
        action="store_true",
        help="-maps are folders of nnUNetv2_predict --save_probabilities; any nnU-Net model, threshold 0.5",
    )
    add("--resample", action="store_true", help="resample maps on another grid to the labels")
    add("--healthy-cases", action="store_true", help="accept cases without any lesion")
    add("--cases", nargs="+", default=[], metavar="CASE", help="only these")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; exit status 1 if a case was left out."""
    from nnunet_uad.evaluation.baseline_channels import Baselines, baselines_beside
    from nnunet_uad.evaluation.folders import FIXED, evaluate_folders
    from nnunet_uad.evaluation.request import EvaluationRequest
    from nnunet_uad.evaluation.summary_files import check_output, write_evaluation

    check_output(arguments.o)
    if arguments.baseline and arguments.i is None:
        raise ValueError("--baseline scores the raw images: name their folder with -i.")
    if arguments.probabilities and arguments.resample:
        raise ValueError("--probabilities lie on the grid of the raw image; --resample does not apply to them.")
    beside = Baselines()
    if arguments.i is not None:
        beside = baselines_beside(arguments.baseline, arguments.i, arguments.maps, arguments.gt, arguments.channels)
    threshold = 0.5 if arguments.probabilities and arguments.threshold is None else arguments.threshold
    summary = evaluate_folders(
        EvaluationRequest(
            maps=arguments.maps,
            labels=arguments.gt,
            lesion_labels=arguments.labels,
            ignore_label=arguments.ignore_label,
            masks=arguments.masks,
            images=arguments.i,
            floors=beside.floors,
            baselines=beside.equalised,
            thresholds={} if threshold is None else {FIXED: threshold},
            resample=arguments.resample,
            healthy_cases=arguments.healthy_cases,
            only=arguments.cases,
            probabilities=arguments.probabilities,
        )
    )
    table = write_evaluation(summary, arguments.o)
    for line in [*_lines(summary), *(f"WARNING: {warning}" for warning in beside.warnings)]:
        print(line)
    print(f"Written: {arguments.o} and {table}")
    return report_failures("evaluated", summary["failed"])


def _lines(summary: dict[str, Any]) -> list[str]:
    """The pooled values in words."""
    from nnunet_uad.evaluation.floors import shown_scores
    from nnunet_uad.metrics.anomaly import MASK_METRICS, RANKING_METRICS

    shown, shown_of_masks = [m.key for m in RANKING_METRICS if m.shown], [m.key for m in MASK_METRICS]
    lines = []
    for score in shown_scores(summary):
        content, cases = summary["scores"][score], len(summary["metric_per_case"])
        lines.append(f"{score}, {cases} case(s), all voxels pooled: " + _values(content["pooled"], shown))
        lines += _found_lesions(content["pooled"])
        for kind, mask in content["masks"].items():
            lines.append(f"  masks, {kind} threshold: " + _values(mask["pooled"], shown_of_masks))
    if summary["strongest_floor"]:
        lines.append(_against_floor(summary["strongest_floor"]))
    return lines + [f"WARNING: {warning}" for warning in summary["warnings"]]


def _found_lesions(pooled: dict[str, dict[str, Any]]) -> list[str]:
    """The share of lesions found at each false-positive rate, by size, in words; nothing without lesions."""
    from nnunet_uad.metrics.lesion_recall import RATES, SIZES, recall_key

    numbers = {size: pooled[f"lesions{size.suffix}"]["value"] for size in SIZES}
    lines = []
    for rate in RATES:
        found = {size: _value(pooled[recall_key(size, rate)]) for size, number in numbers.items() if number}
        parts = [f"{share} of {numbers[size]:.0f} {size.name or 'lesions'}" for size, share in found.items()]
        lines += [f"  found at {100 * rate:g} % false positives: {', '.join(parts)}"] if parts else []
    return lines


def _against_floor(floor: dict[str, Any]) -> str:
    """How the map differs from the strongest floor, in words."""
    difference = floor["map_minus_floor"]["AP"]
    interval = difference["interval_95"]
    spread = f" [{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else ""
    return (
        f"map − {floor['score']}, the strongest floor: mean difference of the AP per case {difference['value']:+.3f}"
        f"{spread}, higher in {difference['share_better']:.0%} of {difference['cases']} case(s)"
    )


def _values(group: dict[str, dict[str, Any]], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {_value(group[name])}" for name in names)


def _value(entry: dict[str, Any]) -> str:
    """A value with its interval."""
    if entry["value"] is None:
        return "undefined"
    spread = " [{:.3f}, {:.3f}]".format(*entry["interval_95"]) if entry["interval_95"] else ""
    return f"{entry['value']:.3f}{spread}"
