from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from nnunet_uad.inference.model import load_restorer
from nnunet_uad.selection.encoder import Moments, encoder_of, volume_moments


class Halved(nn.Module):
    """An encoder whose only stage is the image at half the resolution, slices or volumes."""

    def forward(self, image):
        pool = nn.functional.avg_pool2d if image.ndim == 4 else nn.functional.avg_pool3d
        return [image, pool(image, 2)]


def _restorer(patch, amp="off"):
    configuration = SimpleNamespace(patch_size=patch, batch_size=3)
    model = SimpleNamespace(configuration=configuration, axes=len(patch))
    networks = [SimpleNamespace(encoder=Halved())]
    return SimpleNamespace(networks=networks, model=model, amp=amp, device=torch.device("cpu"))


@pytest.fixture
def volume():
    rng = np.random.default_rng(0)
    foreground = np.zeros((4, 8, 12), bool)
    foreground[1:, 2:6, 4:12] = True
    return np.where(foreground, rng.normal(2, 1, (1, 4, 8, 12)), 0).astype(np.float32), foreground


@pytest.mark.parametrize("patch", [(8, 12), (4, 4), (16, 16), (4, 8, 12), (2, 4, 4), (8, 16, 16)])
def test_moments_are_those_of_the_foreground(volume, patch):
    image, foreground = volume
    found = volume_moments(_restorer(patch), image, foreground)
    assert found.first.shape == (4, 1) and found.weight[0] == 0
    pooled = np.mean([image[0, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)
    if len(patch) == 3:
        pooled = np.repeat((pooled[::2] + pooled[1::2]) / 2, 2, axis=0)
    inside = foreground[:, ::2, ::2]
    for z in (1, 2, 3):
        np.testing.assert_allclose(found.first[z] / found.weight[z], pooled[z][inside[z]].mean(), rtol=1e-5)
        np.testing.assert_allclose(found.peak[z], pooled[z][inside[z]].max(), rtol=1e-5)
    mean, spread, peak = found.of_volume()
    np.testing.assert_allclose([mean, spread], [pooled[inside].mean(), pooled[inside].std()], rtol=1e-4)
    assert peak == pytest.approx(pooled[inside].max())
    slices = found.descriptors()
    assert slices.shape == (4, 3) and np.isnan(slices[0]).all()


def test_networks_stand_side_by_side_and_nothing_is_refused(volume):
    image, foreground = volume
    restorer = _restorer((8, 12))
    restorer.networks *= 2
    assert volume_moments(restorer, image, foreground).descriptors().shape == (4, 6)
    with pytest.raises(ValueError, match="no foreground"):
        volume_moments(restorer, image, np.zeros_like(foreground))


def test_a_sliver_has_its_mean_as_peak():
    moments = Moments.nothing(1, 2)
    moments.weight[:], moments.first[:], moments.second[:] = 0.25, 0.5, 1.0
    np.testing.assert_allclose(moments.descriptors(), [[2, 2, 0, 0, 2, 2]])


def test_encoders_of_methods(dae_fold):
    restorer = load_restorer(dae_fold.parent, [0], device="cpu")
    assert encoder_of(restorer.networks[0]) is restorer.networks[0].encoder
    image = np.random.default_rng(0).normal(size=(2, 3, 40, 40)).astype(np.float32)
    found = volume_moments(replace(restorer, amp="off"), image, np.ones((3, 40, 40), bool))
    assert found.first.shape == (3, 16) and np.isfinite(found.descriptors()).all()
    assert encoder_of(SimpleNamespace(autoencoder=SimpleNamespace(encoder="its"))) == "its"
    with pytest.raises(ValueError, match="no encoder that sees the whole image"):
        encoder_of(nn.Linear(1, 1))
