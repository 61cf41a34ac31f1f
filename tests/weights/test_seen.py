from pathlib import Path

import pytest

from nnunet_uad.weights.seen import Seen, seen_by, whole_patch


def plans(**configuration):
    return {"configurations": {"a": configuration, "b": {"inherits_from": "a"}}}


def test_inherited_values_count():
    content = plans(spacing=[2, 1], use_mask_for_norm=True, normalization_schemes=["A", "B"], patch_size=[32.0, 16])
    content["configurations"]["b"]["batch_size"] = 4
    seen = seen_by(Path("x"), content, "b")
    assert seen == Seen(("A", "B"), (2, 1), (True, True), (32, 16), 4)


@pytest.mark.parametrize("spacing", [None, [None, None, None]])
def test_images_that_were_not_resampled_have_no_spacing(spacing):
    """NnU-Net's master writes a list of nothing (new_spacing_from_mode in like_nnssl.py), nnssl no list."""
    assert seen_by(Path("x"), plans(spacing=spacing), "a").spacing == ()


def test_other_plans_say_nothing():
    assert seen_by(Path("x"), plans(), "c") == seen_by(Path("x"), {}, "c") == Seen()


def test_a_network_by_its_name_alone():
    seen = seen_by(Path("x"), plans(architecture={"network_class_name": "ResEncL", "arch_kwargs": None}), "a")
    assert seen.architecture.short == "ResidualEncoderUNet" and seen.architecture.is_planned
    assert seen_by(Path("x"), plans(architecture={"network_class_name": ""}), "a").architecture is None


def test_nonsense_is_refused_with_the_name_of_the_file():
    with pytest.raises(ValueError, match=r"x\.pth: plans: configuration a.*spacing expects lengths > 0"):
        seen_by(Path("x.pth"), plans(spacing=[0, 1]), "a")
    with pytest.raises(ValueError, match="patch_size expects whole numbers"):
        whole_patch((16.5, 16))
