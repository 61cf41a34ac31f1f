import contextlib
import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.data.complete_plans import require_complete

#: What takes the place of a value.
WRONG = (None, True, -1, 0, 1.5, 10**40, float("nan"), "", "nonsense", "../x", [], {}, [[]], {"a": 1})
#: Keys that nnU-Net reads no longer once plans are made, or does without.
FREE = ("original_median_", "experiment_planner_used", "foreground_intensity", "dataset_name", "plans_name")


@pytest.fixture(scope="module")
def plans(tiny_dataset):
    content = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    return {**content, "configurations": {"2d": content["configurations"]["2d"]}}


def places(content, path=()):
    """Paths of all keys and entries."""
    for key in content if isinstance(content, dict) else range(len(content)):
        yield (*path, key)
        if isinstance(content[key], (dict, list)):
            yield from places(content[key], (*path, key))


def changed(plans, path, value):
    """The plans with another value at a path, or without it."""
    content = copy.deepcopy(plans)
    owner = content
    for key in path[:-1]:
        owner = owner[key]
    if value == "left out":
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return content


def test_what_nnunet_made_is_complete(tiny_dataset):
    content = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    for name in content["configurations"]:
        assert require_complete(content, name, channels=2)["batch_size"] >= 2


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_is_broken_is_refused_by_the_file_or_taken(plans, data):
    path = data.draw(st.sampled_from([p for p in places(plans) if not str(p[0]).startswith(FREE)]))
    broken = changed(plans, path, data.draw(st.sampled_from(["left out", *WRONG])))
    try:
        require_complete(broken, "2d", "nnUNetPlans.json")
    except ValueError as error:
        assert str(error).startswith("nnUNetPlans.json")


ARCHITECTURE = ("configurations", "2d", "architecture")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("configurations",), "left out", "configurations expects names with settings each, found None"),
        (("configurations",), ["2d"], "configurations expects names with settings each"),
        (("configurations", "2d"), None, "configurations expects names with settings each"),
        (ARCHITECTURE, "left out", "2d lacks architecture"),
        (ARCHITECTURE, None, "lacks architecture|architecture expects"),
        ((*ARCHITECTURE, "arch_kwargs"), "left out", "architecture lacks arch_kwargs"),
        ((*ARCHITECTURE, "arch_kwargs", "strides"), [[1, 1]], "arch_kwargs cannot be used"),
        ((*ARCHITECTURE, "arch_kwargs", "kernel_sizes", 0), True, "kernel_sizes expects whole numbers from 1"),
        ((*ARCHITECTURE, "arch_kwargs", "strides", 0), [1], "strides expects whole numbers from 1, 2 per stage"),
        ((*ARCHITECTURE, "arch_kwargs", "conv_op"), "torch.nn.Nonsense", "conv_op expects a name that nnU-Net knows"),
        ((*ARCHITECTURE, "arch_kwargs", "features_per_stage"), [10**9] * 4, "features_per_stage expects"),
        ((*ARCHITECTURE, "arch_kwargs", "norm_op_kwargs"), {"eps": float("nan")}, "eps expects a number in"),
        ((*ARCHITECTURE, "_kw_requires_import"), ["x"], "_kw_requires_import expects names of arch_kwargs"),
        ((*ARCHITECTURE, "network_class_name"), "Nonsense", "network_class_name expects a name that nnU-Net knows"),
        (("configurations", "2d", "inherits_from"), None, "inherits from None"),
        (("configurations", "2d", "spacing"), [0, 1], "spacing expects a number in"),
        (("configurations", "2d", "data_identifier"), "../x", "data_identifier expects the name of a folder"),
        (("configurations", "2d", "preprocessor_name"), "Nonsense", "preprocessor_name expects a name"),
        (("configurations", "2d", "normalization_schemes"), ["NoNormalization"], "expect an entry per channel"),
        (("configurations", "2d", "normalization_schemes"), ["x", "x"], "normalization_schemes expects a name"),
        (("configurations", "2d", "resampling_fn_data"), "Nonsense", "resampling_fn_data cannot be used"),
        (("configurations", "2d", "resampling_fn_seg_kwargs"), {"nonsense": 1}, "resampling_fn_seg_kwargs cannot be"),
        (("configurations", "2d", "median_image_size_in_voxels"), [], "median_image_size_in_voxels expects 2 axes"),
        (("image_reader_writer",), "Nonsense", "image_reader_writer cannot be used"),
        (("transpose_forward",), [0, 2, 1], "that undo each other"),
        (("foreground_intensity_properties_per_channel",), {}, "lacks channel 0"),
    ],
)
def test_refusals_name_the_key(plans, path, value, said):
    with pytest.raises(ValueError, match=rf"^nnUNetPlans\.json.*({said})"):
        require_complete(changed(plans, path, value), "2d", "nnUNetPlans.json")


@pytest.mark.parametrize(
    "layer", ["subprocess.run", "torch.nn.parallel.data_parallel.subprocess.run", "torch.os.system"]
)
def test_plans_choose_no_code_to_run(plans, tmp_path, monkeypatch, layer):
    import subprocess

    import torch

    monkeypatch.setattr(torch.nn.parallel.data_parallel, "subprocess", subprocess, raising=False)
    arguments = {"nonlin": layer, "nonlin_kwargs": {"args": ["touch", str(tmp_path / "ran")]}}
    content = copy.deepcopy(plans)
    content["configurations"]["2d"]["architecture"]["arch_kwargs"] |= arguments
    # A package of somebody may be taken unseen; it is not used.
    with contextlib.suppress(ValueError):
        require_complete(content, "2d")
    assert not list(tmp_path.iterdir())


def test_other_channels_and_ct_without_statistics_are_refused(plans):
    with pytest.raises(ValueError, match=r"normalization_schemes expects an entry per channel of dataset\.json, 3"):
        require_complete(plans, "2d", channels=3)
    ct = changed(plans, ("configurations", "2d", "normalization_schemes"), ["CTNormalization"] * 2)
    require_complete(ct, "2d")
    flat = changed(ct, ("foreground_intensity_properties_per_channel", "1", "std"), 0)
    with pytest.raises(ValueError, match=r"per_channel: 1: std expects a number in"):
        require_complete(flat, "2d")
