"""What a residual network computes inside, predict and append-residuals write: the same reconstruction.

A network sees tiles, and what its restorer needs is drawn for a tile; commands draw for a volume. So the case here is a
single slice of the patch's size, where tile and volume are the same, and nothing is mirrored.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from stock import LENGTH

from nnunet_uad.cli.main import main
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.pipeline import prepare
from nnunet_uad.inference.segmenter import load_segmenter
from nnunet_uad.methods import TRAINERS
from nnunet_uad.trainers.residual import INFERENCE_SEED

CASE, TARGET = "slice", "Dataset982_TinyRestored"
KINDS = ("signed", "absolute", "reconstruction")
#: A patch of the plan: 32 x 32 voxels of 2 mm.
SIZE = 32


def read(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


@pytest.fixture
def raw_slice(workplace, tmp_path):
    """A raw dataset of one image, a training case and a test case: a slice of the patch's size, background 0.

    The plans normalise within the mask, as nnU-Net's do for brains in much background: there it stays exactly 0.
    """
    path = workplace.source / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["2d_tiny"]["use_mask_for_norm"] = [True, True]
    path.write_text(json.dumps(plans))
    root = tmp_path / "raw"
    folder = root / tiny.DATASET
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True)
    (folder / "dataset.json").write_text((workplace.raw / tiny.DATASET / "dataset.json").read_text())
    rng = np.random.default_rng(3)
    y, x = np.meshgrid(*[np.linspace(-1, 1, SIZE)] * 2, indexing="ij")
    # The brain touches all four borders, so nnU-Net crops nothing away.
    brain = np.abs(y) + np.abs(x) < 1.2
    for channel in (0, 1):
        volume = np.where(brain, 300 + 80 * x + 60 * y + 40 * rng.standard_normal((SIZE, SIZE)), 0)
        for name in ("imagesTr", "imagesTs"):
            tiny.write_image(volume[None].astype(np.float32), folder / name / f"{CASE}_{channel:04d}.nii.gz")
    return root


def trained(trainer):
    return tiny.run_training(trainer)


def untrained(trainer):
    """Random weights, of which none is 0: what is reconstructed is far from the image."""
    started = tiny.make_trainer(trainer)
    started.on_train_start()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in started.bare_network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    started.save_checkpoint(f"{started.output_folder}/checkpoint_final.pth")
    return Path(started.output_folder)


def network_input(fold, raw):
    """The slice (2, 1, y, x) as nnU-Net preprocesses it for the model."""
    plans = PlansManager(str(fold.parent / "plans.json"))
    dataset = json.loads((fold.parent / "dataset.json").read_text())
    model = ModelPlan(plans, plans.get_configuration("2d_tiny"), dataset)
    files = [str(raw / tiny.DATASET / "imagesTs" / f"{CASE}_{channel:04d}.nii.gz") for channel in (0, 1)]
    return prepare(files, model)[0]


def written_channels(folder):
    """Further channels by kind (2, y, x), which stand behind the image's two."""
    channels = [read(folder / f"{CASE}_{k:04d}.nii.gz")[0] for k in range(2, 2 + 2 * len(KINDS))]
    return dict(zip(KINDS, np.stack(channels).reshape(len(KINDS), 2, SIZE, SIZE), strict=True))


def written_by_commands(pretrainer, raw, output):
    """Channels by kind (2, y, x): of append-residuals and of predict."""
    flags = ["-d", tiny.NUMBER, "-c", "2d_tiny", "-tr", pretrainer, "-f", "0", "--disable_tta"]
    flags += ["--seed", str(INFERENCE_SEED), "-device", "cpu", "-npp", "0", "-nps", "0"]
    assert main(["append-residuals", "-o", TARGET, *flags, "--kinds", *KINDS]) == 0
    images = raw / tiny.DATASET / "imagesTs"
    assert main(["predict", "-i", str(images), "-o", str(output), *flags, "--save", "residual", "reconstruction"]) == 0
    appended = [written_channels(raw / TARGET / name) for name in ("imagesTr", "imagesTs")]
    assert all(np.array_equal(appended[0][kind], appended[1][kind]) for kind in KINDS)
    predicted = {
        kind: np.stack([read(output / f"{CASE}_{kind}_{c:04d}.nii.gz")[0] for c in (0, 1)])
        for kind in ("residual", "reconstruction")
    }
    return appended[0], predicted


#: Settings of the pretraining → how its model comes about. Autoencoders take whole slices unless told otherwise.
FORMS = {
    "DAE": ("", untrained),
    "DAE with noisy copies": ("test_noise_copies=2", trained),
    "MAE": ("", trained),
    "Genesis": ("", untrained),
    "TAE": ("", untrained),
    "AE": ("view=patch", untrained),
    "VAE": ("view=patch", untrained),
    "AnoVAEGAN": ("view=patch", untrained),
    "DDPM": ("", untrained),
}


def test_every_residual_trainer_is_proved_here():
    assert {use.restorer for use in TRAINERS.values() if use.module == "trainers.residual"} == {
        form.split()[0] for form in FORMS
    }


@pytest.mark.parametrize("form", FORMS)
def test_the_channels_inside_are_those_that_the_commands_write(raw_slice, results, tmp_path, monkeypatch, form):
    settings, make = FORMS[form]
    method = form.split()[0]
    pretrainer = f"nnUNetPretrainer{method}{LENGTH}"
    trainer = next(n for n, u in TRAINERS.items() if u.module == "trainers.residual" and u.restorer == method)
    monkeypatch.setenv("nnUNet_uad_settings", settings)
    make(pretrainer)
    monkeypatch.setenv("nnUNet_uad_settings", f"residual_channels={','.join(KINDS)}")
    fold = tiny.save_untrained(f"{trainer}{LENGTH}")
    monkeypatch.delenv("nnUNet_uad_settings")
    monkeypatch.setenv("nnUNet_raw", str(raw_slice))
    appended, predicted = written_by_commands(pretrainer, raw_slice, tmp_path / "maps")

    # The network as nnU-Net builds it from the model's folder to predict.
    segmenter = load_segmenter(fold.parent, "0", "checkpoint_final.pth", False, "cpu")
    network = segmenter.network.eval()
    network.load_state_dict(segmenter.list_of_parameters[0])
    image = network_input(fold, raw_slice)
    assert image.shape == (2, 1, SIZE, SIZE)
    with torch.no_grad():
        inside = network.further_channels(torch.from_numpy(image).transpose(0, 1))[0].numpy()
    computed = dict(zip(KINDS, inside.reshape(3, 2, SIZE, SIZE), strict=True))
    background = (image[:, 0] == 0).all(0)
    assert 0.1 < background.mean() < 0.5 and (computed["reconstruction"][:, background] == 0).all()
    assert np.abs(computed["signed"][:, ~background]).mean() > 0.05
    for kind in KINDS:
        assert np.allclose(appended[kind], computed[kind], atol=2e-5), kind
    assert np.array_equal(predicted["reconstruction"], appended["reconstruction"])
    assert np.array_equal(predicted["residual"], appended["signed"])
