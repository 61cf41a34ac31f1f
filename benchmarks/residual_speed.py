"""Speed of diffusion restorers, noise and synthetic anomalies as ratios, the arms taking turns in one run.

    python benchmarks/residual_speed.py step noise              # needs no data
    python benchmarks/residual_speed.py volume anomalies -d 901 -c 2d_small

``step``: a training step of ``nnUNetTrainerDiffusionResidual`` against nnUNetTrainer's. ``noise``: a batch of noise
against the ``opensimplex`` package, sample by sample, as public diffusion code draws it. ``volume``: restoring in one
step, and with the default three, against nnU-Net's own prediction. ``anomalies``: what synthetic anomalies add to a
data-loading worker's time per patch. Networks are freshly initialised: their weights do not matter for the time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from speed import CHANNELS, FULL, SMALL, make_step, median_times, write_plans


def write_restorer(root: Path, plans: dict, dataset_json: dict, configuration: str) -> Path:
    """A diffusion model of the default size with random weights; returns its file."""
    from nnunet_uad.plugin.nnunet_uad_trainers import nnUNetPretrainerDDPM
    from nnunet_uad.weights.safe_file import canonical_tensors, write_pretrained

    content = json.loads(json.dumps(plans)) | {"continue_training": False}
    trainer = nnUNetPretrainerDDPM(content, configuration, 0, dataset_json, torch.device("cpu"))
    trainer.initialize()
    path = root / f"restorer_{configuration}.safetensors"
    write_pretrained(path, canonical_tensors(trainer.bare_network.average), trainer.record())
    return path


def measure_step(arguments: argparse.Namespace) -> dict:
    """Seconds of a training step, and the restorer's size."""
    sizes, device, result = FULL if arguments.full else SMALL, torch.device(arguments.device), {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ.update(nnUNet_preprocessed=folder, nnUNet_raw=folder, nnUNet_results=str(root / "results"))
        plans, dataset_json = write_plans(root, sizes)
        for name in sizes:
            restorer = write_restorer(root, plans, dataset_json, name)
            os.environ["nnUNet_uad_restorer"] = str(restorer)
            arms = (
                "nnUNetTrainer",
                "nnUNetTrainerFromScratch",
                "nnUNetTrainerDiffusionResidual",
                "nnUNetPretrainerDDPM",
            )
            functions = {arm: make_step(arm, plans, dataset_json, name, device) for arm in arms}
            seconds = median_times(functions, arguments.rounds, device)
            result[name] = {
                "seconds": seconds,
                "ratio to nnUNetTrainer": {a: s / seconds["nnUNetTrainer"] for a, s in seconds.items()},
                "restorer, bytes": restorer.stat().st_size,
            }
            if device.type == "cuda":
                result[name]["peak memory, GB"] = torch.cuda.max_memory_allocated() / 1e9
                torch.cuda.reset_peak_memory_stats()
    return result


def measure_noise(arguments: argparse.Namespace) -> dict:
    """Seconds for a batch of noise; the peer draws four octaves for every sample and channel."""
    import opensimplex

    from nnunet_uad.restoration.diffusion import DiffusionProcess

    patch, spacing, _, batch = SMALL["2d"]
    device = torch.device(arguments.device)
    image = torch.empty(batch, CHANNELS, *patch, device=device)
    processes = {kind: DiffusionProcess(spacing, kind, 60.0) for kind in ("coarse", "simplex")}
    octaves = len(processes["simplex"]._simplex.wavelengths)

    def peer() -> None:
        """Noise as public diffusion code draws it, sample by sample."""
        for sample in range(batch * CHANNELS):
            opensimplex.seed(sample)
            noise = np.zeros(patch)
            for k in range(octaves):
                scale = spacing[0] * 2**k / 60.0
                noise += 0.8**k * opensimplex.noise2array(np.arange(patch[1]) * scale, np.arange(patch[0]) * scale)

    functions: dict[str, Callable] = {
        **{kind: lambda p=process: p.draw(image) for kind, process in processes.items()},
        "opensimplex": peer,
    }
    seconds = median_times(functions, max(3, arguments.rounds // 5), device)
    ratio = {kind: seconds["opensimplex"] / seconds[kind] for kind in processes}
    return {"batch": list(image.shape), "octaves": octaves, "seconds": seconds, "times faster": ratio}


def measure_volume(arguments: argparse.Namespace) -> dict:
    """Seconds to restore a random volume, and to segment it with nnU-Net's predictor; no mirroring."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_uad.inference.model_plan import ModelPlan
    from nnunet_uad.inference.sliding_window import Window, reconstruct_volume
    from nnunet_uad.networks.recipe import PlanRecipe
    from nnunet_uad.pretrain.ddpm import DDPMSettings, nnUNetPretrainerDDPM

    folder = next(Path(os.environ["nnUNet_preprocessed"]).glob(f"Dataset{int(arguments.d):03d}_*"))
    plans = PlansManager(json.loads((folder / "nnUNetPlans.json").read_text()))
    dataset_json = json.loads((folder / "dataset.json").read_text())
    manager, device = plans.get_configuration(arguments.c), torch.device(arguments.device)
    channels = len(dataset_json["channel_names"])
    image = np.random.default_rng(0).standard_normal((channels, *arguments.shape), dtype=np.float32)
    predictor = nnUNetPredictor(device=device, allow_tqdm=False, use_mirroring=False)
    network = PlanRecipe.of(manager, channels, channels).build().to(device).eval()
    predictor.manual_initialization(network, plans, manager, None, dataset_json, "", None)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=channels)
    functions = {"nnU-Net": lambda: predictor.predict_sliding_window_return_logits(torch.from_numpy(image))}
    for name, time_steps in {"one step": (500,), "three steps": (250, 500, 750)}.items():
        settings = DDPMSettings(test_times=time_steps)
        restoration = nnUNetPretrainerDDPM.make_task(settings, manager).restoration
        diffusion = nnUNetPretrainerDDPM.make_network(settings, manager, channels).average.to(device)

        def restore(restoration: Any = restoration, diffusion: Any = diffusion) -> None:
            """Reconstruct the volume."""
            extra = restoration.draw_for_volume(np.ones(image.shape[1:], bool), channels, len(manager.patch_size), 0)
            apply = lambda tile, noise: restoration.reconstruct(diffusion, tile, noise)  # noqa: E731
            reconstruct_volume(image, extra, apply, Window(ModelPlan(plans, manager, dataset_json), None, device))

        functions[name] = restore
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(max(1, arguments.rounds // 10)):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - started)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    return {
        "shape": list(image.shape),
        "seconds": seconds,
        "ratio": {n: s / seconds["nnU-Net"] for n, s in seconds.items()},
    }


def measure_anomalies(arguments: argparse.Namespace) -> dict:
    """What synthetic anomalies add to a data-loading worker's time per patch, timed within the same loop."""
    from nnunet_uad.anomalies.transforms import RandomAnomalyTransform
    from nnunet_uad.plugin import nnunet_uad_trainers as plugin

    os.environ["nnUNet_n_proc_DA"] = "0"
    folder = next(Path(os.environ["nnUNet_preprocessed"]).glob(f"Dataset{int(arguments.d):03d}_*"))
    plans = json.loads((folder / "nnUNetPlans.json").read_text()) | {"continue_training": False}
    dataset_json = json.loads((folder / "dataset.json").read_text())
    spent: list[float] = []
    call = RandomAnomalyTransform.__call__

    def timed_call(self: RandomAnomalyTransform, **data_dict: object) -> dict:
        """The transform, with its seconds kept."""
        started = time.perf_counter()
        result = call(self, **data_dict)
        spent.append(time.perf_counter() - started)
        return result

    timing = mock.patch.object(RandomAnomalyTransform, "__call__", timed_call)
    with tempfile.TemporaryDirectory() as results, timing:
        os.environ["nnUNet_results"] = results
        trainer = plugin.nnUNetPretrainerSyntheticAnomaly(plans, arguments.c, 0, dataset_json, torch.device("cpu"))
        trainer.initialize()
        loader = trainer.get_dataloaders()[0]
        for _ in range(3):
            next(loader)
        spent.clear()
        started = time.perf_counter()
        for _ in range(5 * arguments.rounds):
            next(loader)
        total = time.perf_counter() - started
    patches = len(spent)
    plain, anomalies = (total - sum(spent)) / patches, sum(spent) / patches
    return {
        "milliseconds per patch": {"without": 1e3 * plain, "anomalies": 1e3 * anomalies},
        "added": anomalies / plain,
    }


MEASURES = {"step": measure_step, "noise": measure_noise, "volume": measure_volume, "anomalies": measure_anomalies}


def main() -> None:
    """Measure what was asked for and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=list(MEASURES))
    parser.add_argument("-d", default="901")
    parser.add_argument("-c", default="2d_small")
    parser.add_argument("--shape", type=int, nargs=3, default=(155, 240, 240))
    parser.add_argument("--full", action="store_true", help="nnU-Net's default sizes; wants a GPU")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("-device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    environment = dict(os.environ)
    for what in arguments.what:
        print(json.dumps({what: MEASURES[what](arguments)}, indent=2), flush=True)
        os.environ.update(environment)


if __name__ == "__main__":
    main()
