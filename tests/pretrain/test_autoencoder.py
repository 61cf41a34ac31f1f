from pathlib import Path

import pytest
import torch

from nnunet_uad.pretrain.autoencoder import AutoencoderSettings, AutoencoderTask
from nnunet_uad.pretrain.task import Geometry


def test_whole_slices_in_2d_patches_in_3d(make_autoencoder):
    """The tiny volumes have 10 slices of 40 x 40 voxels after cropping, the plan's patch 32 x 32."""
    plane = make_autoencoder()
    assert list(plane.configuration_manager.patch_size) == [40, 40]
    assert plane.configuration_manager.batch_size == round(4 * 32 * 32 / 1600)
    assert list(make_autoencoder("view=patch").configuration_manager.patch_size) == [32, 32]
    volume = make_autoencoder(configuration="3d_tiny")
    assert list(volume.configuration_manager.patch_size) == [8, 32, 32]
    whole = make_autoencoder("view=image", configuration="3d_tiny")
    assert list(whole.configuration_manager.patch_size) == [10, 40, 40]


def test_a_volume_that_does_not_fit_is_refused_with_the_memory_it_takes(make_autoencoder):
    large = make_autoencoder("view=image sampling=anywhere", configuration="3d_tiny")
    large.configuration_manager.configuration["patch_size"] = [512, 1024, 1024]
    with pytest.raises(RuntimeError, match=r"does not fit: a step with 2 images of 512 x 1024 x 1024") as refused:
        large.on_train_start()
    gigabytes = float(str(refused.value).split("takes about ")[1].split(" GiB")[0])
    # 8 feature maps of full resolution twice in the encoder, twice in the decoder, float32, each kept once or more.
    assert gigabytes > 4 * 2 * 8 * 2**29 * 4 / 2**30
    assert "view=patch" in str(refused.value)


def test_patches_are_no_advice_where_the_patch_is_the_image_already(make_autoencoder):
    assert make_autoencoder("view=image sampling=anywhere", configuration="3d_tiny").memory_advice == "view=patch"
    assert make_autoencoder("view=patch").memory_advice == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("view=half", "view expects one of auto, patch, image, found 'half'"),
        ("code_channels=0", "code_channels expects a number in .1, 4096."),
        ("code_size=64", "code_size=64 is larger than the image of 40 x 40 voxels"),
        ("reconstruction_loss=ssim", "reconstruction_loss expects one of l1, l2"),
    ],
)
def test_bad_settings_are_refused(make_autoencoder, settings, message):
    with pytest.raises(ValueError, match=message):
        make_autoencoder(settings).initialize()


def test_a_task_without_terms_is_refused():
    class Empty(AutoencoderTask):
        terms = ()

    task = Empty(AutoencoderSettings(), Geometry((1.0, 1.0), (4, 4), (2, 2)))
    with pytest.raises(ValueError, match="Empty has no terms, so there is no loss"):
        task.step(lambda image, inside: None, torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4, dtype=torch.bool))


def test_a_code_that_compresses_nothing_is_said(make_autoencoder):
    trainer = make_autoencoder("code_channels=8")
    trainer.on_train_start()
    assert "WARNING" not in Path(trainer.log_file).read_text()
    trainer = make_autoencoder("code_channels=32")
    trainer.on_train_start()
    text = Path(trainer.log_file).read_text()
    assert "The code has 10 x 10 positions of 32 channels: 3200 values for 3200." in text
    assert "WARNING: the code is no smaller than the image: lower code_channels or code_size." in text
