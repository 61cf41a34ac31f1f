"""Speed as ratios in one run: steps against ``nnUNetTrainer``, shares of corruption and lesion bank, a transfer's time.

    python benchmarks/speed.py [--full] [-device cuda]

Steps are measured on synthetic batches with the networks of small plans (``--full``: nnU-Net's default sizes), the
arms taking turns, so that a slow moment of the machine meets all of them. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nnunet_uad.methods import PRETRAINERS

SMALL = {
    "2d": ((96, 96), (2.0, 2.0), (16, 32, 64, 128, 128), 12),
    "3d": ((24, 40, 24), (1.5, 1.5, 1.5), (16, 32, 64), 2),
}
FULL = {
    "2d": ((192, 160), (1.0, 1.0), (32, 64, 128, 256, 512, 512), 49),
    "3d": ((128, 128, 128), (1.0, 1.0, 1.0), (32, 64, 128, 256, 320, 320), 2),
}
CHANNELS = 2
#: What nnU-Net resamples; every plan says how.
RESAMPLED = ("data", "seg", "probabilities")


def write_plans(root: Path, sizes: dict) -> tuple[dict, dict]:
    """Plans and dataset.json of a dataset that exists only as far as trainers look at it."""
    configurations = {}
    for name, (patch, spacing, features, batch) in sizes.items():
        axes, stages = len(patch), len(features)
        configurations[name] = {
            "data_identifier": f"nnUNetPlans_{name}",
            "preprocessor_name": "DefaultPreprocessor",
            "batch_size": batch,
            "patch_size": list(patch),
            "median_image_size_in_voxels": list(patch),
            "spacing": list(spacing),
            "normalization_schemes": ["ZScoreNormalization"] * CHANNELS,
            "use_mask_for_norm": [True] * CHANNELS,
            "batch_dice": axes == 2,
            **{f"resampling_fn_{kind}": "resample_data_or_seg_to_shape" for kind in RESAMPLED},
            **{f"resampling_fn_{kind}_kwargs": {"is_seg": False, "order": 1, "order_z": 0} for kind in RESAMPLED},
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": {
                    "n_stages": stages,
                    "features_per_stage": list(features),
                    "conv_op": f"torch.nn.modules.conv.Conv{axes}d",
                    "kernel_sizes": [[3] * axes] * stages,
                    "strides": [[1] * axes] + [[2] * axes] * (stages - 1),
                    "n_conv_per_stage": [2] * stages,
                    "n_conv_per_stage_decoder": [2] * (stages - 1),
                    "conv_bias": True,
                    "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{axes}d",
                    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
                    "dropout_op": None,
                    "dropout_op_kwargs": None,
                    "nonlin": "torch.nn.LeakyReLU",
                    "nonlin_kwargs": {"inplace": True},
                },
                "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
            },
        }
    plans = {
        "dataset_name": "Dataset980_Speed",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "foreground_intensity_properties_per_channel": {str(i): {} for i in range(CHANNELS)},
        "configurations": configurations,
    }
    dataset_json = {
        "channel_names": {str(i): f"c{i}" for i in range(CHANNELS)},
        "labels": {"background": 0, "lesion": 1},
        "file_ending": ".nii.gz",
    }
    for name in configurations:
        folder = root / "Dataset980_Speed" / f"nnUNetPlans_{name}"
        folder.mkdir(parents=True)
        (folder / "a.b2nd").write_bytes(b"")  # tells nnU-Net which kind of dataset it is
    return plans, dataset_json


def make_step(trainer_name: str, plans: dict, dataset_json: dict, configuration: str, device: torch.device) -> Callable:
    """A trainer's train_step on a synthetic batch of its own kind, as a function without arguments."""
    from nnunet_uad.plugin import nnunet_uad_trainers as plugin

    trainer_class = getattr(plugin, f"{trainer_name}_1000epochs")
    content = json.loads(json.dumps(plans)) | {"continue_training": False}
    trainer = trainer_class(content, configuration, 0, dataset_json, device)
    trainer.initialize()
    patch, _, _, batch_size = (
        FULL if FULL[configuration][0] == tuple(trainer.configuration_manager.patch_size) else SMALL
    )[configuration]
    data = torch.randn(batch_size, CHANNELS, *patch)
    if "Pretrainer" in trainer_name:
        target = (torch.rand(batch_size, 1, *patch) > 0.3).to(torch.int16)
    else:
        full = (torch.rand(batch_size, 1, *patch) > 0.9).float()
        scales = trainer._get_deep_supervision_scales()
        target = [full[(..., *(slice(None, None, round(1 / s)) for s in scale))].contiguous() for scale in scales]
    trainer.network.train()

    def step() -> None:
        """One training step."""
        trainer.train_step({"data": data, "target": target})

    return step


def timed(function: Callable, device: torch.device) -> float:
    """Seconds of one call, waiting for the device at both ends."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def median_times(functions: dict[str, Callable], rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each function; they take turns."""
    for function in functions.values():
        for _ in range(3):
            function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            times[name].append(timed(function, device))
    return {name: statistics.median(values) for name, values in times.items()}


def measure_steps(plans: dict, dataset_json: dict, sizes: dict, rounds: int, device: torch.device) -> dict:
    """Step ratios and the corruption's share, per configuration."""
    from nnunet_uad.corruption.coarse_noise import CoarseNoise
    from nnunet_uad.pretrain.dae import DAESettings

    result = {}
    for name, (patch, spacing, _, batch) in sizes.items():
        arms = (
            "nnUNetTrainer",
            "nnUNetTrainerFromScratch",
            "nnUNetTrainerAuxReconstruction",
            *PRETRAINERS,
        )
        functions = {arm: make_step(arm, plans, dataset_json, name, device) for arm in arms}
        noise = CoarseNoise(spacing, DAESettings().noise_cell_mm, DAESettings().noise_std)
        image = torch.randn(batch, CHANNELS, *patch, device=device)
        mask = torch.ones(batch, 1, *patch, device=device)
        functions["corruption"] = lambda n=noise, i=image, m=mask: torch.addcmul(i, n.draw(i), m)
        times = median_times(functions, rounds, device)
        stock = times["nnUNetTrainer"]
        result[name] = {
            "nnUNetTrainer step, s": stock,
            **{f"{arm} step / nnUNetTrainer step": times[arm] / stock for arm in arms[1:]},
            "corruption / DAE step": times["corruption"] / times["nnUNetPretrainerDAE"],
        }
    return result


def measure_prediction(plans: dict, dataset_json: dict, sizes: dict, rounds: int, device: torch.device) -> dict:
    """Forward passes as ``nnUNetv2_predict`` makes them, auxiliary reconstruction against the plan's network."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_uad.trainers.aux_reconstruction import nnUNetTrainerAuxReconstruction

    manager, result = PlansManager(plans), {}
    for name, (patch, _, _, batch) in sizes.items():
        image = torch.randn(batch, CHANNELS, *patch, device=device)
        functions = {}
        for trainer in (nnUNetTrainer, nnUNetTrainerAuxReconstruction):
            network = trainer.build_network_architecture(manager, manager.get_configuration(name), CHANNELS, 2, False)
            functions[trainer.__name__] = torch.inference_mode()(partial(network.to(device).eval(), image))
        times = median_times(functions, 2 * rounds, device)
        result[name] = times["nnUNetTrainerAuxReconstruction"] / times["nnUNetTrainer"]
    return result


def measure_bank(plans: dict, dataset_json: dict, sizes: dict, rounds: int) -> dict:
    """A lesion bank's time in the data loading, against nnU-Net's augmentation of the same patch, at each blend."""
    import numpy as np

    from nnunet_uad.anomalies.bank_settings import BLENDS, LesionBankSection
    from nnunet_uad.anomalies.lesion_bank import LesionBank
    from nnunet_uad.anomalies.pasting import LesionBankTransform
    from nnunet_uad.plugin import nnunet_uad_trainers as plugin

    result: dict[str, dict] = {}
    for name, (patch, spacing, _, _) in sizes.items():
        content = plans | {"continue_training": False}
        trainer = plugin.nnUNetTrainer_1epochs(content, name, 0, dataset_json, torch.device("cpu"))
        rotation, dummy, initial, axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        scales = trainer._get_deep_supervision_scales()
        stock = trainer.get_training_transforms(
            patch, rotation, scales, axes, dummy, use_mask_for_norm=[True] * CHANNELS
        )
        labels = _ball([round(60 / spacing[0])] * 3, 0.6, outside=0, inside=1)
        bank = LesionBank.cut([("case", np.stack([labels] * CHANNELS).astype(np.float32), labels)], spacing)
        samples = [(torch.randn(CHANNELS, *n), torch.from_numpy(_ball(n, 1.0, -1, 0))[None]) for n in (initial, patch)]
        functions: dict[str, Callable] = {"stock": partial(_augment, stock, *samples[0])}
        for blend in BLENDS:
            section = LesionBankSection(bank_blend=blend)
            pasting = LesionBankTransform(bank, section, spacing, probability=0.5, marker=10_000, unknown=None)
            functions[blend] = partial(_augment, pasting, *samples[1])
        # Many patches per turn: most of what is drawn is drawn for some of them only.
        times = median_times(functions, rounds, torch.device("cpu"))
        result[name] = {blend: times[blend] / times["stock"] for blend in BLENDS}
    return result


def _ball(shape: Sequence[int], radius: float, outside: int, inside: int) -> Any:
    """Labels of a ball in a box that reaches from −1 to 1."""
    import numpy as np

    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return np.where(sum(g**2 for g in grid) < radius**2, inside, outside).astype(np.int16)


def _augment(transforms: Callable, image: torch.Tensor, labels: torch.Tensor, times: int = 20) -> None:
    for _ in range(times):
        transforms(image=image.clone(), segmentation=labels.clone())


def measure_transfer(root: Path) -> dict:
    """Seconds to read a weight file of a full-size 3D network and to transfer it."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    from safetensors.torch import save_file

    from nnunet_uad.weights.readers import SourceWeights, read_weights
    from nnunet_uad.weights.safe_file import canonical_tensors
    from nnunet_uad.weights.transfer import transfer

    plans, _ = write_plans(root / "transfer", FULL)
    manager = PlansManager(plans)
    network = nnUNetTrainer.build_network_architecture(manager, manager.get_configuration("3d"), CHANNELS, 2)
    count = sum(p.numel() for p in network.parameters())
    tensors = {k: v.contiguous().clone() for k, v in canonical_tensors(network).items()}
    save_file(tensors, root / "w.safetensors")
    started = time.perf_counter()
    source: SourceWeights = read_weights(root / "w.safetensors")
    transfer(source, network, ["c0", "c1"])
    return {"parameters": count, "transfer, s": time.perf_counter() - started}


def main() -> None:
    """Measure everything and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="nnU-Net's default sizes; wants a GPU")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("-device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ.update(nnUNet_preprocessed=folder, nnUNet_raw=folder, nnUNet_results=str(root / "results"))
        sizes = FULL if arguments.full else SMALL
        plans, dataset_json = write_plans(root, sizes)
        result = measure_steps(plans, dataset_json, sizes, arguments.rounds, device)
        result["prediction with auxiliary reconstruction / nnUNetTrainer"] = measure_prediction(
            plans, dataset_json, sizes, arguments.rounds, device
        )
        result["lesion bank / nnU-Net's augmentation"] = measure_bank(plans, dataset_json, sizes, arguments.rounds)
        result["transfer"] = measure_transfer(root)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
