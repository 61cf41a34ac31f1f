"""Planning 10,000 cells and reporting 10,000 result files: seconds and memory.

    python benchmarks/study_scale.py 904 3d_small -o /tmp/scale

The dataset's splits are put back afterwards. Results are synthetic, one file per cell as the jobs write them.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from nnunet_uad.common.files import write_json
from nnunet_uad.study.layout import Layout

ARMS, BUDGETS, DRAWS = 5, 10, 200


def study_text(dataset: str, configuration: str) -> str:
    """A study file of many arms, budgets and draws."""
    arms = "".join(
        f"  arm{k}: {{trainer: nnUNetTrainerFromScratch, settings: weight_decay=0.0{k + 1}}}\n" for k in range(ARMS)
    )
    budgets = ", ".join(str(k + 1) for k in range(BUDGETS))
    return (
        f"dataset: {dataset}\nconfiguration: {configuration}\nbudgets: [{budgets}]\nfolds: [0]\ndraws: {DRAWS}\n"
        f"device: cpu\ntrainers:\n{arms}"
    )


def write_results(layout: Layout) -> None:
    """A file per cell."""
    rng = np.random.default_rng(0)
    where = {"seconds": 1.0, "device": "none", "revision": "none", "versions": {}}
    counts = {"voxels": [1000] * 11, "probability": [500.0] * 11, "positives": [500] * 11}
    for identifier, cell in layout.cells.items():
        rows = [
            {
                "case": case,
                "Dice": float(rng.random()),
                "Dice per class": {"1": 0.5},
                "AP": 0.5,
                "compared": "classes",
                "volume": 1,
                "lesions": {"lesions": 1, "found": 1, "findings": 1, "correct": 1, "scans": 1},
                "reliability": counts,
            }
            for case in cell.fold["val"]
        ]
        layout.cell_folder(identifier).mkdir(parents=True)
        write_json(layout.scores(identifier, layout.plan["dataset"]), {"rows": rows, **where})
        write_json(layout.trained(identifier), {"arm": cell.arm, "fold": cell.fold["id"], "reports": {}, **where})


def timed(*words: str) -> None:
    """Run a command; print seconds and the peak of its memory."""
    started = time.time()
    subprocess.run([sys.executable, "-m", "nnunet_uad.cli.main", *words], check=True, stdout=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{' '.join(words[:2])}: {time.time() - started:.1f} s, at most {peak:.0f} MB so far", flush=True)


def main() -> None:
    """Plan and report a study of many cells and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("configuration")
    parser.add_argument("-o", type=Path, required=True)
    arguments = parser.parse_args()
    from nnunet_uad.common.nnunet import dataset_folder

    splits = dataset_folder("nnUNet_preprocessed", arguments.dataset) / "splits_final.json"
    before = splits.read_bytes()
    shutil.rmtree(arguments.o, ignore_errors=True)
    arguments.o.mkdir(parents=True)
    path = arguments.o / "study.yaml"
    path.write_text(study_text(arguments.dataset, arguments.configuration))
    try:
        timed("study", "plan", str(path))
        timed("study", "plan", str(path))
        layout = Layout(arguments.o / "study")
        print(f"{len(layout.cells)} cells, study.json {(layout.folder / 'study.json').stat().st_size / 1e6:.1f} MB")
        write_results(layout)
        timed("report", str(path), "-o", str(arguments.o / "report"))
        print(json.dumps({p.name: p.stat().st_size for p in (arguments.o / "report").iterdir()}))
    finally:
        splits.write_bytes(before)


if __name__ == "__main__":
    main()
