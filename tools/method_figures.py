"""Pictures for the pages of the methods, of phantoms: what a network sees, what it answers, the anomaly map.

    python tools/method_figures.py FOLDER          # trains eight small models on phantoms there, then draws

A model that is there is not trained again. The figures lie in ``docs/figures/``. With ``--untrained`` nothing is
trained: where there is no model, the figure shows the training alone.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import SimpleITK
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from PIL import Image

from nnunet_uad.anomalies.anomaly_settings import AnomalySettings
from nnunet_uad.anomalies.transforms import RandomAnomalyTransform
from nnunet_uad.common.commands import executable
from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.demo.story import Workspace, run_step
from nnunet_uad.demo.workspace import phantom_workspace
from nnunet_uad.methods import trainer_class

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
LENGTH = "_5epochs_20iters"
CASE = "lesion_01"
Picture = np.ndarray


@dataclass(frozen=True)
class Figure:
    """What the figure of a method shows of training.

    Attributes:
        pretrainer: Name of its trainer without length.
        sees: Title of the picture of what the network is shown in training.
        shown: Function that makes this picture from a healthy patch (C, y, x) and the plan, channel 0.
    """

    pretrainer: str
    sees: str
    shown: Callable[[torch.Tensor, ConfigurationManager], Picture]


def corrupted(pretrainer: str, seed: int = 1) -> Callable[[torch.Tensor, ConfigurationManager], Picture]:
    """What a task makes of a clean patch before the network sees it.

    Args:
        pretrainer: Name of the trainer, whose task corrupts.
        seed: Seed of what is drawn.
    """

    def shown(patch: torch.Tensor, manager: ConfigurationManager) -> Picture:
        trainer: Any = trainer_class(pretrainer)
        task = trainer.make_task(trainer.settings_class(), manager)
        torch.manual_seed(seed)
        clean = patch[None]
        return task.corrupt(clean, clean[:, :1] != 0)[0][0, 0].numpy()

    return shown


def noised(patch: torch.Tensor, manager: ConfigurationManager) -> Picture:
    """A stage of the diffusion of a patch (C, y, x), half of the way."""
    trainer: Any = trainer_class("nnUNetPretrainerDDPM")
    task = trainer.make_task(trainer.settings_class(), manager)
    seen: list[torch.Tensor] = []

    class Recording(torch.nn.Module):
        """Keeps what the network is shown."""

        def forward(self, image: torch.Tensor, *others: Any) -> torch.Tensor:
            """Keep the patches (B, C, y, x) and answer with them."""
            seen.append(image)
            return image

    torch.manual_seed(12)
    task.restoration.reconstruct_in_training(Recording(), patch[None])
    return seen[0][0, 0].numpy()


def tiled(patch: torch.Tensor, manager: ConfigurationManager) -> Picture:
    """A patch (C, y, x) cut into the tiles that the encoder sees one by one, gaps between them."""
    trainer: Any = trainer_class("nnUNetPretrainerTAE")
    rows, columns = trainer.make_task(trainer.settings_class(), manager).grid
    tiles = [np.hsplit(row, columns) for row in np.vsplit(patch[0].numpy(), rows)]
    width = 4
    padded = [[np.pad(tile, width, constant_values=np.nan) for tile in row] for row in tiles]
    return np.block(padded)


def with_anomalies(patch: torch.Tensor, manager: ConfigurationManager) -> Picture:
    """A healthy patch (C, y, x) with synthetic lesions in it."""
    settings = AnomalySettings(anomaly_probability=1.0)
    transform: BasicTransform = RandomAnomalyTransform(settings, manager.spacing, ["FLAIR", "T1"], marker=1, label=1)
    torch.manual_seed(17)
    np.random.seed(17)
    image = patch[:, None] if len(manager.spacing) == 3 else patch
    drawn = transform(image=image.clone(), segmentation=(image[:1] != 0).to(torch.int16))
    return drawn["image"][0].numpy()


def unchanged(patch: torch.Tensor, manager: ConfigurationManager) -> Picture:
    """The patch (C, y, x) itself."""
    return patch[0].numpy()


#: Name of the page without ``method-`` → what its figure shows.
METHODS: dict[str, Figure] = {
    "dae": Figure("nnUNetPretrainerDAE", "training: the patch with coarse noise", corrupted("nnUNetPretrainerDAE")),
    "mae": Figure("nnUNetPretrainerMAE", "training: the patch with hidden blocks", corrupted("nnUNetPretrainerMAE")),
    "genesis": Figure(
        "nnUNetPretrainerGenesis", "training: the changed patch", corrupted("nnUNetPretrainerGenesis", 5)
    ),
    "tae": Figure("nnUNetPretrainerTAE", "training: tiles, seen one by one", tiled),
    "ddpm": Figure("nnUNetPretrainerDDPM", "training: a stage of the diffusion", noised),
    "synthetic": Figure("nnUNetPretrainerSyntheticAnomaly", "training: synthetic lesions", with_anomalies),
    "autoencoders": Figure("nnUNetPretrainerAE", "training: the patch itself", unchanged),
    "patchgan": Figure("nnUNetPretrainerPatchGAN", "training, second half: synthetic lesions", with_anomalies),
}


def validation_of(workspace: Workspace, name: str) -> Path:
    """Folder of a model's validation.

    Args:
        workspace: Folders of the models.
        name: Name of the trainer, with length.
    """
    results = ModelFolder(workspace.results, workspace.dataset, name, workspace.plans, workspace.configuration)
    return results.fold(0) / "validation"


def train(workspace: Workspace, name: str) -> None:
    """Train a method on the healthy phantoms, unless that was done.

    Args:
        workspace: Phantoms, preprocessed.
        name: Name of the trainer, with length.
    """
    fold = validation_of(workspace, name).parent
    if not (fold / "validation" / "summary.json").exists():
        command = [executable("nnUNetv2_train"), workspace.dataset, workspace.configuration, "0", "-tr", name]
        started = ["--c"] if any(fold.glob("checkpoint_*.pth")) else []
        settings = {"nnUNet_uad_settings": "save_reconstruction=true seed=1"}
        run_step(workspace, name, [*command, "-device", workspace.device, *started], settings)


def healthy_patch(workspace: Workspace) -> tuple[torch.Tensor, ConfigurationManager]:
    """Middle slice of a healthy phantom as a network sees it (C, y, x), z-score units, and the plan.

    Args:
        workspace: Phantoms, preprocessed.
    """
    folder = workspace.preprocessed / workspace.dataset
    plans = PlansManager(str(folder / f"{workspace.plans}.json"))
    manager = plans.get_configuration(workspace.configuration)
    cases: Any = nnUNetDatasetBlosc2(str(folder / manager.data_identifier), ["healthy_00"])
    volume = cases.load_case("healthy_00")[0][:]
    image = np.asarray(volume[:, volume.shape[1] // 2])
    # To the middle of a patch.
    size = np.array(manager.patch_size)
    before = np.maximum(size - image.shape[1:], 0) // 2
    after = np.maximum(size - image.shape[1:] - before, 0)
    image = np.pad(image, [(0, 0), *zip(before, after, strict=True)])[:, : size[0], : size[1]]
    return torch.from_numpy(image.astype(np.float32)), manager


def read(path: Path) -> Picture:
    """Volume (z, y, x) of an image file."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def answers(workspace: Workspace, validation: Path) -> dict[str, Picture]:
    """Title → picture of a phantom with lesions: image, reconstruction if there is one, map.

    Args:
        workspace: Folders of the phantoms.
        validation: Folder of the model's validation.
    """
    raw = workspace.raw / workspace.dataset
    lesion = read(raw / "labelsTr" / f"{CASE}.nii.gz")
    index = int(lesion.sum((1, 2)).argmax())
    pictures = {"a phantom with lesions (outlined)": read(raw / "imagesTr" / f"{CASE}_0000.nii.gz")[index]}
    reconstruction = validation / f"{CASE}_reconstruction_0000.nii.gz"
    if reconstruction.exists():
        pictures["its reconstruction"] = read(reconstruction)[index]
    pictures["its anomaly map"] = read(validation / f"{CASE}_map.nii.gz")[index]
    pictures["lesion"] = lesion[index]
    return pictures


def draw(pictures: dict[str, Picture], path: Path) -> None:
    """Draw pictures side by side, the lesion outlined in the first that shows it.

    Args:
        pictures: Title → picture; ``lesion`` is the mask to outline.
        path: File to write, ending in ``.png``.
    """
    lesion = pictures.pop("lesion", None)
    figure, axes = plt.subplots(1, len(pictures), figsize=(2.1 * len(pictures), 2.55), dpi=100, facecolor="white")
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        inside = picture[np.isfinite(picture) & (picture != 0)]
        low, high = np.percentile(inside, [1, 99.5])
        colours = plt.get_cmap("inferno" if "map" in title else "gray").with_extremes(bad="white")
        axis.imshow(np.ma.masked_invalid(picture), cmap=colours, vmin=low, vmax=high, interpolation="nearest")
        axis.set_title("\n".join(textwrap.wrap(title, 26)), fontsize=8, color="black")
        axis.axis("off")
        if "outlined" in title:
            axis.contour(lesion, [0.5], colors=["#00e5ff"], linewidths=0.9)
    figure.subplots_adjust(left=0.004, right=0.996, bottom=0.01, top=0.86, wspace=0.02)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
        with Image.open(temporary) as drawn:
            small = drawn.convert("RGB").quantize(128)
        small.save(temporary, format="png", optimize=True)
    plt.close(figure)


def main() -> int:
    """Prepare phantoms, train what is missing, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where phantoms and models are kept")
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS), help="methods (all)")
    parser.add_argument("--untrained", action="store_true", help="train nothing")
    parser.add_argument("-device", default="cpu", choices=["cpu", "cuda", "mps"])
    args = parser.parse_args()
    matplotlib.use("agg")
    workspace = phantom_workspace(args.folder.resolve(), args.device, (LENGTH, LENGTH))
    patch, manager = healthy_patch(workspace)
    for page in args.only:
        method = METHODS[page]
        name = method.pretrainer + LENGTH
        if not args.untrained:
            train(workspace, name)
        pictures = {"training: a healthy patch": patch[0].numpy(), method.sees: method.shown(patch, manager)}
        if (validation_of(workspace, name) / "summary.json").exists():
            pictures |= answers(workspace, validation_of(workspace, name))
        draw(pictures, FIGURES / f"method-{page}.png")
        print(FIGURES / f"method-{page}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
