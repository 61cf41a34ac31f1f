import pickle

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.data.transforms import ForegroundTransform, KeepSegmentation, with_target, without_intensity


def test_labels_become_the_foreground():
    seg = torch.tensor([[[-1, 0], [1, 2]], [[5, 5], [5, 5]]], dtype=torch.int16)
    out = ForegroundTransform()(image=torch.zeros(1, 2, 2), segmentation=seg)["segmentation"]
    assert out.tolist() == [[[-1, 1], [1, 1]]]
    assert out.dtype == torch.int16


def stock(size, masked, mirrored):
    """nnU-Net's training pipeline, of plans with anisotropic voxels where there are three axes."""
    axes = tuple(range(len(size))) if mirrored else ()
    made = nnUNetTrainer.get_training_transforms(size, (-0.5, 0.5), None, axes, len(size) == 3, masked)
    return [ForegroundTransform(), *made.transforms]


def transformed(transforms, size, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn((2, *(n + 6 for n in size)), generator=generator)
    segmentation = torch.randint(-1, 2, (1, *image.shape[1:]), generator=generator, dtype=torch.int16)
    torch.manual_seed(seed)
    np.random.seed(seed)
    return ComposeTransforms(transforms)(image=image, segmentation=segmentation)


CASES = given(
    st.sampled_from([(20, 16), (4, 18, 14)]), st.lists(st.booleans(), min_size=2, max_size=2), st.integers(0, 10**6)
)


@settings(deadline=None, max_examples=15)
@CASES
def test_the_target_is_the_patch_before_its_intensities_change(size, masked, seed):
    """Without mirroring, nothing draws after the intensities: the pipeline without them gives the same patch."""
    channels = [i for i, used in enumerate(masked) if used]
    transforms = pickle.loads(pickle.dumps(with_target(stock(size, masked, False), channels, before_intensity=True)))
    made = transformed(transforms, size, seed)
    before = transformed(without_intensity(stock(size, masked, False)), size, seed)
    assert torch.equal(made["image"][2:], before["image"])
    assert torch.equal(made["segmentation"], before["segmentation"])


@settings(deadline=None, max_examples=15)
@CASES
def test_the_image_is_what_it_is_without_a_target_and_the_target_moves_along(size, masked, seed):
    channels = [i for i, used in enumerate(masked) if used]
    stocked = stock(size, masked, True)
    made = transformed(with_target(stocked, channels, before_intensity=True), size, seed)
    alone = transformed(stocked, size, seed)
    assert torch.equal(made["image"][:2], alone["image"]) and set(made) == {"image", "segmentation"}
    for transform in stocked:
        if isinstance(transform, RandomTransform):
            transform.apply_probability = 0
    unchanged = transformed(with_target(stocked, channels, before_intensity=True), size, seed)["image"]
    assert torch.equal(unchanged[:2], unchanged[2:]) and unchanged.shape == made["image"].shape


class Brighter(BasicTransform):
    """Adds 1 to the image and says so in a segmentation of its own, in the mapping that it is given."""

    def apply(self, data_dict, **params):
        data_dict["image"] = data_dict["image"] + 1
        data_dict["segmentation"] = torch.full_like(data_dict["segmentation"], 7)
        return data_dict


@settings(deadline=None, max_examples=10)
@CASES
def test_what_corrupts_reaches_the_image_but_neither_target_nor_segmentation(size, masked, seed):
    stocked = stock(size, masked, True)
    corrupting = [KeepSegmentation(Brighter())]
    made = transformed(with_target(stocked, [], corrupting), size, seed)
    alone = transformed(stocked, size, seed)
    assert torch.equal(made["image"][:2], alone["image"] + 1) and torch.equal(made["image"][2:], alone["image"])
    assert torch.equal(made["segmentation"], alone["segmentation"])
