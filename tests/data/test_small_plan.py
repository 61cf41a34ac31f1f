import json

import pytest
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.data.small_plan import small_configuration


@pytest.fixture(scope="module")
def plans(tiny_dataset):
    return json.loads((tiny_dataset / "nnUNetPlans.json").read_text())


@pytest.mark.parametrize(
    ("base", "spacing", "patch", "features"),
    [("2d", [2], [32, 48], [8, 16, 16]), ("3d_fullres", [3, 2, 2], [8, 32, 32], [4, 8, 8, 8])],
)
def test_nnunet_builds_the_network_that_was_asked_for(plans, base, spacing, patch, features):
    import torch

    plans["configurations"]["x"] = small_configuration(plans, base, "x", spacing, patch, features, 3)
    manager = PlansManager(plans).get_configuration("x")
    assert manager.patch_size == patch and manager.batch_size == 3
    assert manager.data_identifier == "nnUNetPlans_x"
    assert manager.normalization_schemes == plans["configurations"][base]["normalization_schemes"]
    network = get_network_from_plans(
        manager.network_arch_class_name,
        manager.network_arch_init_kwargs,
        manager.network_arch_init_kwargs_req_import,
        2,
        3,
        deep_supervision=False,
    )
    assert network(torch.zeros(1, 2, *patch)).shape == (1, 3, *patch)


def test_anisotropic_plans_pool_the_coarse_axis_later(plans):
    entry = small_configuration(plans, "3d_fullres", "x", [8, 2, 2], [8, 32, 32], [4, 8, 8], 2)
    strides = entry["architecture"]["arch_kwargs"]["strides"]
    assert strides[1][0] == 1 and strides[1][1] == 2


@pytest.mark.parametrize(
    ("base", "spacing", "patch", "features", "batch", "message"),
    [
        ("4d", [2], [32, 32], [8], 1, "have no configuration '4d'; they have: 2d"),
        ("2d", [2, 2, 2], [32, 32], [8], 1, "--spacing expects 2 positive values"),
        ("2d", [2], [32], [8], 1, "--patch expects 2 positive values"),
        ("2d", [2], [16, 16], [8] * 5, 1, "allows 3 stages, --features asks for 5"),
        ("2d", [2], [33, 32], [8, 8, 8], 1, "the next that is: --patch 36 32"),
        ("2d", [2], [32, 32], [8, 0], 1, "--features expects a number in .1, 4096., found 0"),
        ("2d", [2], [32, 32], [8, 10**9], 1, "--features expects"),
        ("2d", [2], [32, 32], [], 1, "--features expects .*found nothing"),
        ("2d", [2], [10**9, 32], [8, 8], 1, "--patch expects"),
        ("2d", [2], [32, 32], [8, 8], 10**12, "--batch expects"),
        ("2d", [2], [4096, 4096], [8, 8], 4096, "no device holds"),
        ("2d", [float("nan")], [32, 32], [8, 8], 1, "--spacing expects"),
        ("2d", [float("inf")], [32, 32], [8, 8], 1, "--spacing expects"),
    ],
)
def test_bad_requests_are_refused(plans, base, spacing, patch, features, batch, message):
    with pytest.raises(ValueError, match=message):
        small_configuration(plans, base, "x", spacing, patch, features, batch)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a__b", "n" * 300, " 2d", ".hidden", "a*"])
def test_names_that_folders_cannot_carry_are_refused(plans, name):
    with pytest.raises(ValueError, match="--name expects a name like 2d_small"):
        small_configuration(plans, "2d", name, [2], [32, 32], [8, 8], 1)


def test_a_configuration_does_not_inherit_from_itself(plans):
    plans["configurations"]["mini"] = small_configuration(plans, "2d", "mini", [2], [32, 32], [8, 8], 1)
    for base, name in (("2d", "2d"), ("mini", "2d"), ("mini", "mini")):
        with pytest.raises(ValueError, match=f"--name {name} is what the new configuration would inherit from"):
            small_configuration(plans, base, name, [2], [32, 32], [8, 8], 1)
