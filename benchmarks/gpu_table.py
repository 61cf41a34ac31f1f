"""What every trainer would cost on a GPU, relative to stock nnU-Net, on a machine without one: a Markdown table.

    python benchmarks/gpu_table.py                        # needs gcc and a CUDA build of PyTorch, no GPU
    python benchmarks/gpu_table.py -c 2d --settings residual_form=siamese -tr nnUNetTrainerDAEResidual

Slices of 512 x 512 (batch 12) and patches of 128 x 128 x 128 (batch 2), two channels, plain U-Nets with 32 to 512
features, mixed precision. Operations are counted one by one as PyTorch dispatches them; the time is modelled
(``tests/gpu/watch.py``), not measured. ``fused``: as if all pointwise operations were free, as a perfect compiler would
have it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "gpu"))

from nnunet_uad.methods import NAMES, STOCK_TRAINER

HEADER = (
    "| trainer | FLOPs | traffic | time | time, fused | peak, GiB | waits per step | tile: FLOPs | tile: time |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def cells(stages: dict[str, Any], stock: dict[str, Any]) -> tuple[str, ...]:
    """A trainer's numbers.

    Args:
        stages: Stages of the trainer, as the harness measured them.
        stock: Stages of nnU-Net's own trainer.
    """
    step, tile = stages["train"], stages["inference"]

    def ratio(stage: str, cost: str) -> str:
        """Cost as a multiple of stock's."""
        return f"{stages[stage][cost] / stock[stage][cost]:.2f}"

    waits = sum(event["times"] for event in step["events"] if event["kind"] == "wait")
    costs = [ratio("train", cost) for cost in ("flops", "traffic", "seconds", "fused_seconds")]
    peak = f"{step['peak'] / 2**30:.1f} ({step['peak'] / stock['train']['peak']:.2f})"
    tiles = [ratio("inference", cost) if tile["flops"] else "–" for cost in ("flops", "seconds")]
    return (*costs, peak, str(waits), *tiles)


def table(outcomes: dict[str, Any]) -> str:
    """Rows of all trainers that ran, those with the same numbers in one.

    Args:
        outcomes: Outcomes by trainer, stock among them.
    """
    stock = outcomes[STOCK_TRAINER]["stages"]
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, outcome in outcomes.items():
        if not outcome["error"]:
            rows.setdefault(cells(outcome["stages"], stock), []).append(f"`{name}`")
    return "\n".join([HEADER, *(f"| {' | '.join([', '.join(names), *found])} |" for found, names in rows.items())])


def main() -> None:
    """Measure and print."""
    from fake_device import measure, what_is_missing

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", nargs="+", default=["2d", "3d"], help="sizes: 2d, 3d")
    parser.add_argument("-tr", nargs="+", default=list(NAMES), help="trainers; default: all")
    parser.add_argument("--settings", default="", help="settings of the trainers")
    arguments = parser.parse_args()
    if missing := what_is_missing():
        parser.error(missing)
    found = measure({size: [STOCK_TRAINER, *arguments.tr] for size in arguments.c}, arguments.settings)
    for configuration, outcomes in found.items():
        stock = outcomes[STOCK_TRAINER]["stages"]
        step, tile = stock["train"], stock["inference"]
        print(
            f"\n{configuration}: a step of {STOCK_TRAINER} takes {step['flops'] / 1e12:.2f} TFLOP, "
            f"{step['traffic'] / 2**30:.0f} GiB of traffic, {step['peak'] / 2**30:.1f} GiB of memory at its peak; "
            f"a tile at inference {tile['flops'] / 1e9:.0f} GFLOP.\n\n{table(outcomes)}"
        )
        for name, outcome in outcomes.items():
            if outcome["error"]:
                print(f"{name} FAILED\n{outcome['error']}", file=sys.stderr)


if __name__ == "__main__":
    main()
