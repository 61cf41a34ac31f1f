"""Which noise, length, rate and share of the network? One factor at a time, on the pool cases of 904.

The 50 test cases of the study are not touched: every variant is judged on 30 other cases and on draws of its own.

    python benchmarks/ablation.py -o results/ablation --workers 2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import hippocampus as study
import numpy as np
from cells import run_cells

from nnunet_uad.common.settings import joined

#: Where a variant does not say otherwise.
BASE = "learning_rate=0.001 freeze_encoder_epochs=0"
FIRST = "std 0.5-1, cell 8-20 mm, 1500 steps"
STRONG = "std 1-2, cell 16-32 mm"
#: Pretraining → (settings, steps).
PRETRAININGS = {
    FIRST: ("noise_std=[0.5,1.0] noise_cell_mm=[8,20]", 1500),
    "std 0.2-0.5": ("noise_std=[0.2,0.5] noise_cell_mm=[8,20]", 1500),
    "std 1-2": ("noise_std=[1.0,2.0] noise_cell_mm=[8,20]", 1500),
    "cell 3-8 mm": ("noise_std=[0.5,1.0] noise_cell_mm=[3,8]", 1500),
    "cell 16-32 mm": ("noise_std=[0.5,1.0] noise_cell_mm=[16,32]", 1500),
    "375 steps": ("noise_std=[0.5,1.0] noise_cell_mm=[8,20]", 375),
    "3000 steps": ("noise_std=[0.5,1.0] noise_cell_mm=[8,20]", 3000),
    STRONG: ("noise_std=[1.0,2.0] noise_cell_mm=[16,32]", 1500),
}
#: Optimiser of the pretraining → settings; 375 steps each, judged by the error of their restorations.
OPTIMISERS = {
    "AdamW 1e-3": "learning_rate=0.001",
    "AdamW 3e-3": "learning_rate=0.003",
    "SGD 1e-2": "optimizer=sgd learning_rate=0.01 weight_decay=0.00003",
}
#: Fine-tuning → (arm, settings, pretraining).
FINE_TUNINGS = {
    "scratch": ("scratch", "", FIRST),
    "scratch, rate 3e-3": ("scratch", "learning_rate=0.003", FIRST),
    "rate 3e-4": ("DAE", "learning_rate=0.0003", FIRST),
    "rate 3e-3": ("DAE", "learning_rate=0.003", FIRST),
    "no warm-up": ("DAE", "warmup=0", FIRST),
    "encoder only": ("DAE", "encoder_only=true", FIRST),
    "encoder rate x 0.3": ("DAE", "encoder_lr=0.3", FIRST),
    "SGD, rate 1e-2": ("DAE", "optimizer=sgd learning_rate=0.01 weight_decay=0.00003", FIRST),
    "strong, rate 3e-3": ("DAE", "learning_rate=0.003", STRONG),
    "strong, rate 3e-3, encoder x 0.1": ("DAE", "learning_rate=0.003 encoder_lr=0.1", STRONG),
    "strong, rate 3e-3, encoder frozen 30 %": ("DAE", "learning_rate=0.003 freeze_encoder_epochs=3", STRONG),
    "strong, rate 3e-3, encoder only": ("DAE", "learning_rate=0.003 encoder_only=true", STRONG),
}


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)


def main() -> None:
    """Pretrain and fine-tune every variant that has no row yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=study.FINE_TUNING_STEPS)
    parser.add_argument("--budgets", type=int, nargs="+", default=list(study.ABLATION_BUDGETS))
    arguments = parser.parse_args()
    root, folds = study.prepare(arguments.o)
    pretrainings = {
        name: study.pretraining(root, "DAE", steps, settings, f"pretrain_{_slug(name)}")
        for name, (settings, steps) in PRETRAININGS.items()
    }
    run_cells(list(pretrainings.values()), arguments.o, arguments.workers, keep_weights=True)
    optimisers = {
        name: study.pretraining(root, "DAE", 375, settings, f"optimiser_{_slug(name)}")
        for name, settings in OPTIMISERS.items()
    }
    run_cells(list(optimisers.values()), arguments.o, arguments.workers)
    for name, cell in optimisers.items():
        row = json.loads((arguments.o / f"{cell.name}.json").read_text())
        print(f"pretraining with {name:12s} MSE of restorations {row['summary']['MSE_foreground']:.4f}")
    weights = {name: str(arguments.o / f"{cell.name}.safetensors") for name, cell in pretrainings.items()}
    variants = {name: ("DAE", "", path) for name, path in weights.items()}
    variants |= {name: (arm, text, weights[source]) for name, (arm, text, source) in FINE_TUNINGS.items()}
    cells = [
        study.fine_tuning(root, folds, arm, budget, draw, arguments.steps, path, joined(BASE, settings), _slug(name))
        for budget in arguments.budgets
        for draw in study.ABLATION_DRAWS
        for name, (arm, settings, path) in variants.items()
    ]
    rows = run_cells(cells, arguments.o, arguments.workers)
    table: dict[str, dict[int, list[float]]] = {}
    for name in variants:
        for budget in arguments.budgets:
            matching = [r for r in rows if r["tags"]["arm"] == _slug(name) and r["tags"]["budget"] == budget]
            scores = [np.mean([list(c.values()) for c in r["summary"].values()]) for r in matching]
            table.setdefault(name, {})[budget] = [round(float(s), 4) for s in scores]
            print(f"{name:40s} {budget:3d} case(s): {np.mean(scores):.3f}  draws {np.round(scores, 3)}")
    (arguments.o / "ablation.json").write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
