import json
import shutil

import numpy as np
import pytest
import stock
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.pretrain.genesis import (
    GenesisSettings,
    GenesisTask,
    intensity_range,
    random_curve,
    random_windows,
    shuffle_windows,
)
from nnunet_uad.pretrain.task import Geometry

SHAPES = [(3, 2, 24, 36), (2, 1, 8, 16, 20)]


def patches(shape):
    """Patches with a foreground that leaves a border free."""
    image = torch.randn(shape)
    foreground = torch.zeros((shape[0], 1, *shape[2:]), dtype=torch.bool)
    foreground[(slice(None), slice(None), *(slice(2, -2) for _ in shape[2:]))] = True
    return image, foreground


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=30, deadline=None)
def test_curves_are_monotonic_from_end_to_end(seed):
    torch.manual_seed(seed)
    values = torch.linspace(0, 1, 100).expand(3, 2, 100)
    curved = random_curve(values)
    steps = curved.diff(dim=-1)
    rising, falling = (steps >= -1e-6).all(-1), (steps <= 1e-6).all(-1)
    assert bool((rising | falling).all())
    ends = torch.stack([curved[..., 0], curved[..., -1]], -1)
    assert torch.allclose(ends[rising], torch.tensor([0.0, 1.0])) and torch.allclose(
        ends[falling], torch.tensor([1.0, 0.0])
    )


def test_half_of_the_curves_fall_and_none_is_another():
    torch.manual_seed(0)
    curved = random_curve(torch.linspace(0, 1, 50).expand(200, 2, 50))
    assert 0.4 < float((curved[..., 0] == 1).float().mean()) < 0.6
    assert len({tuple(c.tolist()) for c in curved.flatten(0, 1)}) == 400


@pytest.mark.parametrize("shape", SHAPES)
def test_shuffling_keeps_voxels_together_near_their_place_and_the_background_still(shape):
    torch.manual_seed(0)
    image, foreground = patches(shape)
    place = torch.arange(image[0, 0].numel(), dtype=torch.float32).reshape(1, 1, *shape[2:])
    moved = shuffle_windows(torch.cat([image, place.expand(shape[0], 1, *shape[2:])], 1), foreground, (0.1, 0.2))
    source = moved[:, -1].long()
    # A permutation, the same in all channels.
    assert all(torch.equal(s.flatten().sort()[0], torch.arange(s.numel())) for s in source)
    expected = image.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, shape[1], -1)).reshape(shape)
    assert torch.equal(moved[:, :-1], expected)
    background = ~foreground.expand(shape)
    assert torch.equal(moved[:, :-1][background], image[background])
    distance = [np.abs(np.array(np.unravel_index(s.numpy(), shape[2:])) - np.indices(shape[2:])) for s in source]
    for axis, n in enumerate(shape[2:]):
        assert max(d[axis].max() for d in distance) <= max(2, round(0.2 * n))
    share = float((source != place.long()[0, 0]).float().mean())
    assert 0.1 < share < 0.6


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_have_the_edges_that_were_asked_for(shape):
    torch.manual_seed(1)
    image = torch.empty((200, *shape[1:]))
    windows = random_windows(image, (0.25, 0.25))
    assert windows.shape == (200, 1, *shape[2:])
    one = np.prod([round(0.25 * n) for n in shape[2:]])
    counts = windows.flatten(1).sum(1)
    assert int(counts.min()) >= one and int(counts.max()) <= 5 * one
    # All but the very corners of the patch are painted now and then.
    assert float(windows.any(0).float().mean()) > 0.95


def test_the_range_is_that_of_the_foreground_of_each_channel():
    image, foreground = patches((2, 2, 8, 8))
    image[:, :, 0, 0] = 1e6
    image[1, 1] = 3.0
    low, high = intensity_range(image, foreground)
    inside = image[0, 0][foreground[0, 0]]
    assert float(low[0, 0]) == float(inside.min()) and float(high[0, 0]) == float(inside.max())
    # A constant channel has no range of its own.
    assert (float(low[1, 1]), float(high[1, 1])) == (0.0, 1.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_corruption_stays_inside_the_foreground_and_within_its_range(shape):
    torch.manual_seed(0)
    geometry = Geometry((2.0,) * len(shape[2:]), shape[2:], (4,) * len(shape[2:]))
    task = GenesisTask(GenesisSettings(), geometry)
    clean, foreground = patches(shape)
    corrupted, weight = task.corrupt(clean, foreground)
    outside = ~foreground.expand(shape)
    assert torch.equal(corrupted[outside], clean[outside]) and torch.equal(weight, foreground)
    assert float((corrupted != clean)[~outside].float().mean()) > 0.5
    low, high = intensity_range(clean, foreground)
    assert bool(((corrupted >= low - 1e-4) & (corrupted <= high + 1e-4))[~outside].all())
    nothing = GenesisSettings(nonlinear_probability=0, shuffle_probability=0, paint_probability=0)
    untouched, _ = GenesisTask(nothing, geometry).corrupt(clean, foreground)
    assert torch.equal(untouched, clean)


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ["2d_tiny", pytest.param("3d_tiny", marks=pytest.mark.thorough)])
def test_the_stock_commands(tiny_dataset, results, tmp_path, monkeypatch, configuration):
    """Train, continue, validate; fine-tune and append residuals from those weights; predict. In 2D with mirroring."""
    if configuration == "3d_tiny":
        monkeypatch.setenv("nnUNet_uad_settings", "mirroring=false")
    pretrained = tiny.run_training(f"nnUNetPretrainerGenesis{stock.LENGTH}", configuration)
    for flags in ({"continue_training": True}, {"only_run_validation": True}):
        shutil.rmtree(pretrained / "validation")
        tiny.run_training(f"nnUNetPretrainerGenesis{stock.LENGTH}", configuration, **flags)
        summary = json.loads((pretrained / "validation" / "summary.json").read_text())
        assert 0 < summary["anomaly"]["map AP"] <= 1
    for trainer in ("nnUNetTrainerGenesisPretrained", "nnUNetTrainerGenesisResidual"):
        tuned = tiny.run_training(f"{trainer}{stock.LENGTH}", configuration)
        segmentation = stock.predict(f"{trainer}{stock.LENGTH}", tmp_path / trainer, configuration)
        assert segmentation.shape == tiny.SHAPE
        if trainer.endswith("Pretrained"):
            assert json.loads((tuned / "transfer.json").read_text())["share"]["all_but_heads"] == 1.0
        else:
            assert (
                json.loads((tuned / "restorer.json").read_text())["trainer"] == f"nnUNetPretrainerGenesis{stock.LENGTH}"
            )


@pytest.mark.slow
def test_the_loss_falls(train_losses):
    losses = train_losses("nnUNetPretrainerGenesis_2epochs_30iters", "seed=1 learning_rate=0.01")
    assert losses[1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paint_probability=1.5", r"paint_probability expects a number in \[0, 1\], found 1.5"),
        ("inpaint_window=[0.5,0.2]", "inpaint_window expects .* with LOW <= HIGH"),
        ("shuffle_windows=[0.1,0.2]", "Did you mean 'shuffle_window'"),
    ],
)
def test_bad_settings_are_refused(tiny_dataset, results, monkeypatch, text, message):
    monkeypatch.setenv("nnUNet_uad_settings", text)
    with pytest.raises(ValueError, match=message):
        tiny.make_trainer("nnUNetPretrainerGenesis")
