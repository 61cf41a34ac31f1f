"""What every trainer costs on a real GPU, relative to stock nnU-Net in the same run: a CSV, a row per trainer.

    python benchmarks/gpu_steps.py steps.csv                       # a minute or two on a data-centre GPU
    python benchmarks/gpu_steps.py steps.csv -c 2d -tr nnUNetPretrainerDDPM --compile

The sizes are those of the modelled table (``gpu_table.py``): slices of 512 x 512 (batch 12) and patches of 128 voxels
cubed (batch 2), two channels, plain U-Nets with 32 to 512 features, mixed precision; batches of noise, random weights.
Seconds are medians over steps whose start and end wait for the device; stock is measured again after every few
trainers. Waits are what CUDA itself reports of a step that should not synchronise. ``--device cpu`` (small sizes) tries
the program.
"""

from __future__ import annotations

import argparse
import csv
import gc
import os
import statistics
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("benchmarks", "tests", "tests/gpu")]

COLUMNS = ("configuration", "trainer", "compiled", "seconds", "ratio", "peak_gib", "peak_ratio", "waits", "tile_ratio")
#: Steps before those that are measured; the first ones choose algorithms.
WARM_UP = 5


def cost_of(trainer: Any, steps: int) -> dict[str, float]:
    """Median seconds of a training step, peak memory in GiB, waits of a step, seconds of a tile.

    Args:
        trainer: Trainer on its device.
        steps: Number of steps that are measured.
    """
    import torch
    from speed import timed
    from steps import batch_of

    batch = batch_of(trainer)
    batch["data"].normal_()
    on_gpu = trainer.device.type == "cuda"
    if on_gpu:
        batch["data"] = batch["data"].pin_memory()
        torch.cuda.reset_peak_memory_stats()
    trainer.on_train_epoch_start()
    for _ in range(WARM_UP):
        trainer.train_step(batch)
    seconds = [timed(lambda: trainer.train_step(batch), trainer.device) for _ in range(steps)]
    peak = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else float("nan")
    waits = _waits(lambda: trainer.train_step(batch)) if on_gpu else 0
    return {
        "seconds": statistics.median(seconds),
        "peak_gib": peak,
        "waits": waits,
        "tile": _tile(trainer) if on_gpu else float("nan"),
    }


def _waits(step: Any) -> int:
    """How often a step waits for the device, by CUDA's own account."""
    import torch

    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(warning.message) for warning in said)


def _tile(trainer: Any) -> float:
    """Median seconds of the inference of one tile, from array to array where a trainer restores images."""
    from exercise import infer
    from speed import timed

    for _ in range(2):
        infer(trainer)
    return statistics.median(timed(lambda: infer(trainer), trainer.device) for _ in range(5))


def measured(
    name: str, configuration: str, plans: dict, dataset_json: dict, device: str, steps: int
) -> dict[str, float]:
    """Costs of a trainer.

    Args:
        name: Name of the trainer.
        configuration: Configuration of the plans.
        plans: Plans of ``speed.write_plans``.
        dataset_json: Their dataset.json.
        device: ``cuda`` or ``cpu``.
        steps: Number of steps that are measured.
    """
    import torch
    from steps import make

    # Trainers hold themselves in circles: without this the memory of those before would count for this one.
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    return cost_of(make(name, configuration, plans, dataset_json, device), steps)


def main() -> None:
    """Measure trainer after trainer; a row is written as soon as it is there."""
    from nnunet_uad.methods import NAMES, STOCK_TRAINER

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("-c", nargs="+", default=["2d", "3d"])
    parser.add_argument("-tr", nargs="+", default=list(NAMES), help="trainers; default: all")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--compile", action="store_true", help="torch.compile, as nnU-Net does by default on CUDA")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, arguments.output.open("w", newline="", encoding="utf-8") as file:
        os.environ.update({f"nnUNet_{place}": f"{folder}/{place}" for place in ("raw", "preprocessed", "results")})
        os.environ |= {"nnUNet_compile": "t" if arguments.compile else "f", "nnUNet_n_proc_DA": "0"}
        from exercise import SIZES
        from speed import write_plans

        small = "" if arguments.device == "cuda" else "_small"
        sizes = {configuration: SIZES[configuration + small] for configuration in arguments.c}
        plans, dataset_json = write_plans(Path(folder) / "preprocessed", sizes)
        rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        rows.writeheader()
        for configuration in arguments.c:
            of = [configuration, plans, dataset_json, arguments.device, arguments.steps]
            stock: dict[str, float] = {}
            for number, name in enumerate([STOCK_TRAINER, *arguments.tr, STOCK_TRAINER]):
                try:
                    if number % 8 == 0 or not stock:
                        stock = measured(STOCK_TRAINER, *of)
                    found = measured(name, *of)
                except Exception:
                    # The others are worth their rows; what failed is printed and has none.
                    print(f"{configuration} {name} FAILED\n{traceback.format_exc()}", file=sys.stderr, flush=True)
                    continue
                row = {
                    "seconds": found["seconds"],
                    "ratio": found["seconds"] / stock["seconds"],
                    "peak_gib": found["peak_gib"],
                    "peak_ratio": found["peak_gib"] / stock["peak_gib"],
                    "tile_ratio": found["tile"] / stock["tile"],
                }
                shown = {key: f"{value:.4g}" for key, value in row.items()} | {"waits": found["waits"]}
                rows.writerow({"configuration": configuration, "trainer": name, "compiled": arguments.compile} | shown)
                file.flush()


if __name__ == "__main__":
    main()
