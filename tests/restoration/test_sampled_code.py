import numpy as np
import pytest
import torch
from scipy import stats

from nnunet_uad.restoration.sampled_code import SampledCode, standard_normal


class Variational(torch.nn.Module):
    """Code of three channels on a grid four times as coarse, and a linear generator."""

    mean, deviation = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.1, 1.0, 3.0])

    def encode(self, image):
        code = torch.zeros(len(image), 3, image.shape[2] // 4, image.shape[3] // 4)
        return code + self.mean.reshape(-1, 1, 1), code + 2 * self.deviation.log().reshape(-1, 1, 1)

    def generator(self, code):
        return torch.nn.functional.interpolate(code, scale_factor=4.0)


def test_samples_have_the_mean_and_the_deviation_of_the_code_as_pytorchs_normal_has():
    image, restoration = torch.zeros(300, 1, 16, 16), SampledCode((4, 4))
    drawn = restoration.draw(image, torch.Generator().manual_seed(1))
    samples = restoration.reconstruct(Variational(), image, drawn)[..., ::4, ::4]
    mean, log_variance = Variational().encode(image)
    reference = torch.normal(mean, (0.5 * log_variance).exp(), generator=torch.Generator().manual_seed(2))
    for one, other, mean, deviation in zip(
        samples.transpose(0, 1), reference.transpose(0, 1), Variational.mean, Variational.deviation, strict=True
    ):
        assert abs(one.mean() - mean) < 0.06 * deviation and one.std() == pytest.approx(float(deviation), rel=0.05)
        assert stats.ks_2samp(one.flatten().numpy(), other.flatten().numpy()).pvalue > 1e-3


def test_noise_is_finite_at_both_ends_and_independent_between_channels_and_numbers():
    noise = standard_normal(torch.arange(2**24 - 4096, 2**24).float().reshape(1, 1, 64, 64), 16)
    assert noise.shape == (1, 16, 64, 64) and torch.isfinite(noise).all()
    flat = noise.flatten(2)[0].numpy()
    assert stats.kstest(flat.ravel(), "norm").pvalue > 1e-3
    related = np.corrcoef(flat) - np.eye(16)
    assert abs(related).max() < 5 / 64 and abs(np.corrcoef(flat[:, 1:].ravel(), flat[:, :-1].ravel())[0, 1]) < 0.02
    assert torch.equal(noise, standard_normal(torch.arange(2**24 - 4096, 2**24).float().reshape(1, 1, 64, 64), 16))


def test_tiles_that_overlap_and_mirrored_copies_see_the_same_noise():
    restoration = SampledCode((4, 4))
    volume = restoration.draw_for_volume(np.ones((2, 32, 32), bool), 2, 2, seed=3)
    assert volume.shape == (1, 2, 32, 32), "one number a voxel, however many channels the code has"
    assert not np.array_equal(volume[0, 0], volume[0, 1])
    assert not np.array_equal(volume, restoration.draw_for_volume(np.ones((2, 32, 32), bool), 2, 2, seed=4))
    drawn = torch.from_numpy(volume[:, :1])

    def noise(tile):
        return restoration.reconstruct(Variational(), tile, tile)

    whole, shifted = noise(drawn), noise(drawn[..., 5:29, 5:29])
    # The tile begins in the second voxel of a block, so its positions lie a voxel beside those of the whole.
    assert torch.equal(shifted, whole[..., 4:28, 4:28])
    assert torch.equal(noise(drawn.flip(-1)).flip(-1), whole)


def test_the_description_holds_the_arguments():
    assert SampledCode((8, 4, 4)).to_json() == {"kind": "sampled_code", "cell": [8, 4, 4]}
