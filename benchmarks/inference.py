"""Restoring a volume against nnU-Net's own predictor: the same network, tiles and mirroring, in turns, in one run.

    python benchmarks/inference.py -d 901 -c 2d_small

The network is freshly initialised (its weights do not matter for the time) and the volume is random.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.sliding_window import Window, reconstruct_volume
from nnunet_uad.networks.recipe import PlanRecipe


def main() -> None:
    """Time both in turns and print seconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-d", default="901")
    parser.add_argument("-c", default="2d_small")
    parser.add_argument("--shape", type=int, nargs=3, default=(155, 240, 240))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("-device", default="cpu")
    arguments = parser.parse_args()
    folder = next(Path(os.environ["nnUNet_preprocessed"]).glob(f"Dataset{int(arguments.d):03d}_*"))
    plans = PlansManager(json.loads((folder / "nnUNetPlans.json").read_text()))
    dataset_json = json.loads((folder / "dataset.json").read_text())
    manager = plans.get_configuration(arguments.c)
    channels = len(dataset_json["channel_names"])
    device = torch.device(arguments.device)
    network = PlanRecipe.of(manager, channels, channels).build().to(device).eval()
    image = np.random.default_rng(0).standard_normal((channels, *arguments.shape), dtype=np.float32)
    for axes in (None, tuple(range(len(manager.patch_size)))):
        predictor = nnUNetPredictor(device=device, allow_tqdm=False, use_mirroring=axes is not None)
        predictor.manual_initialization(network, plans, manager, None, dataset_json, "", axes)
        predictor.label_manager = SimpleNamespace(num_segmentation_heads=channels)

        def stock(predictor: nnUNetPredictor = predictor) -> None:
            """nnU-Net's own prediction."""
            predictor.predict_sliding_window_return_logits(torch.from_numpy(image))

        def ours(axes: tuple[int, ...] | None = axes) -> None:
            """The same network in our sliding window."""
            window = Window(ModelPlan(plans, manager, dataset_json), axes, device)
            reconstruct_volume(image, None, lambda x, _: network(x), window)

        seconds: dict[str, list[float]] = {"nnU-Net": [], "ours": []}
        for _ in range(arguments.rounds):
            for name, run in {"nnU-Net": stock, "ours": ours}.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
        medians = {name: float(np.median(times)) for name, times in seconds.items()}
        print(
            f"{'x'.join(map(str, arguments.shape))}, mirroring {axes}: nnU-Net {medians['nnU-Net']:.1f} s, "
            f"ours {medians['ours']:.1f} s, ratio {medians['ours'] / medians['nnU-Net']:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
