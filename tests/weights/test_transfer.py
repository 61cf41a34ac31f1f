from pathlib import Path

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.weights.safe_file import canonical_tensors
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.transfer import adapt_input_channels, transfer

CHANNELS = ("FLAIR", "T1")


@pytest.fixture(scope="module", params=["PlainConvUNet", "ResidualEncoderUNet"])
def managers(request, tiny_dataset):
    """Plans and configuration with either architecture."""
    import json

    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    if request.param == "ResidualEncoderUNet":
        architecture = plans["configurations"]["2d_tiny"]["architecture"]
        architecture["network_class_name"] = architecture["network_class_name"].replace(
            "PlainConvUNet", "ResidualEncoderUNet"
        )
        architecture["arch_kwargs"]["n_blocks_per_stage"] = [1, 2, 2]
        del architecture["arch_kwargs"]["n_conv_per_stage"]
    plans = PlansManager(plans)
    return plans, plans.get_configuration("2d_tiny")


def networks(managers, source_channels=2, target_channels=2, deep_supervision=True):
    torch.manual_seed(0)
    reconstructor = PlanRecipe.of(managers[1], source_channels, source_channels).build()
    segmenter = nnUNetTrainer.build_network_architecture(*managers, target_channels, 3, deep_supervision)
    names = CHANNELS if source_channels == 2 else tuple(f"c{i}" for i in range(source_channels))
    source = SourceWeights(Path("x"), "nnunet_uad", canonical_tensors(reconstructor), None, names)
    return reconstructor, segmenter, source


def features_before_head(network, image):
    """What the last head sees."""
    seen = []
    handle = network.decoder.seg_layers[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(image)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("deep_supervision", [True, False])
def test_everything_but_the_heads_is_loaded_and_computes_the_same(managers, deep_supervision):
    reconstructor, segmenter, source = networks(managers, deep_supervision=deep_supervision)
    image = torch.randn(2, 2, 32, 32)
    assert not torch.allclose(features_before_head(segmenter, image), features_before_head(reconstructor, image))
    report = transfer(source, segmenter, CHANNELS)
    assert report.share("encoder") == report.share("decoder") == report.share() == 1.0
    assert {o.status for o in report.outcomes} == {"loaded", "fresh head"}
    assert all((o.status == "fresh head") == (".seg_layers." in o.name) for o in report.outcomes)
    expected = features_before_head(reconstructor, image)
    assert torch.equal(features_before_head(segmenter, image), expected)
    # Every alias of every parameter, not only its first name, holds the new values.
    mine, theirs = segmenter.state_dict(), reconstructor.state_dict()
    assert all(torch.equal(mine[k], v) for k, v in theirs.items() if "seg_layers" not in k)


def test_heads_stay_fresh_even_if_shapes_agree(managers):
    _, segmenter, source = networks(managers)
    source.tensors.update({k: torch.full_like(v, 7.0) for k, v in canonical_tensors(segmenter).items()})
    before = {k: v.clone() for k, v in canonical_tensors(segmenter).items() if "seg_layers" in k}
    transfer(source, segmenter, CHANNELS)
    assert all(torch.equal(canonical_tensors(segmenter)[k], v) for k, v in before.items())


@pytest.mark.parametrize("target", [1, 4, 7])
def test_other_channel_counts_adapt_the_first_convolution_only(managers, target):
    _, segmenter, source = networks(managers, 2, target)
    names = ("T1", "FLAIR", *(f"new{i}" for i in range(5)))[:target]
    report = transfer(source, segmenter, names)
    adapted = [o for o in report.outcomes if o.status == "adapted"]
    assert len(adapted) == 1 and report.share() == 1.0
    weight = canonical_tensors(segmenter)[adapted[0].name]
    original = source.tensors[adapted[0].name]
    assert torch.equal(weight[:, 0], original[:, 1])
    if target > 2:
        assert torch.allclose(weight[:, 3], original.mean(1) * 2 / target)
    segmenter(torch.randn(1, target, 32, 32))


def test_encoder_only_leaves_the_decoder_random(managers):
    _, segmenter, source = networks(managers)
    before = {k: v.clone() for k, v in canonical_tensors(segmenter).items() if k.startswith("decoder.stages")}
    report = transfer(source, segmenter, CHANNELS, parts=("encoder",))
    assert report.share("encoder") == 1 and report.share("decoder") == 0
    assert all(torch.equal(canonical_tensors(segmenter)[k], v) for k, v in before.items())


def test_less_than_half_of_the_encoder_is_an_error_and_writes_nothing(managers):
    _, segmenter, source = networks(managers)
    source.tensors.update({k: torch.zeros(1) for k in source.tensors if "stages.2" in k or "stages.1" in k})
    before = {k: v.clone() for k, v in canonical_tensors(segmenter).items()}
    with pytest.raises(ValueError, match="at least 50% are expected"):
        transfer(source, segmenter, CHANNELS)
    assert all(torch.equal(canonical_tensors(segmenter)[k], v) for k, v in before.items())


def test_what_does_not_fit_is_listed(managers):
    _, segmenter, source = networks(managers)
    name = next(k for k in source.tensors if k.startswith("decoder.stages"))
    source.tensors[name] = torch.zeros(3)
    other = next(k for k in source.tensors if k.startswith("decoder.transpconvs"))
    del source.tensors[other]
    source.tensors["projector.weight"] = torch.zeros(5)
    report = transfer(source, segmenter, CHANNELS)
    status = {o.name: o.status for o in report.outcomes}
    assert (status[name], status[other], status["projector.weight"]) == ("skipped", "random", "skipped")
    assert report.share("decoder") < 1
    text = report.summary()
    assert name in text and "projector.weight" in text and "1 left random" in text
    assert report.to_json()["share"]["decoder"] == report.share("decoder")


def test_full_nnunet_state_dict_with_aliases_is_not_reported_as_skipped(managers):
    _, segmenter, _source = networks(managers)
    other = nnUNetTrainer.build_network_architecture(*managers, 2, 5, True)
    report = transfer(
        SourceWeights(Path("c.pth"), "nnunet", dict(other.state_dict()), None, CHANNELS), segmenter, CHANNELS
    )
    assert report.share() == 1.0 and report.count("skipped") == 0


def test_adapting_by_hand():
    weight = torch.arange(8.0).reshape(2, 4, 1, 1)
    same, how = adapt_input_channels(weight, list("abcd"), list("abcd"))
    assert torch.equal(same, weight) and how == ""
    swapped, how = adapt_input_channels(weight, list("abcd"), list("dA"))
    assert swapped.flatten().tolist() == [3, 0, 7, 4] and "d from channel 3" in how
    unknown, how = adapt_input_channels(weight, [], list("xy"))
    assert unknown[:, 0].flatten().tolist() == [3.0, 11.0] and "averaged from 4" in how


def test_adapted_response_to_equal_channels_keeps_its_size():
    weight = torch.randn(3, 4, 3, 3)
    for count in (1, 2, 7):
        adapted, _ = adapt_input_channels(weight, [], [str(i) for i in range(count)])
        assert torch.allclose(adapted.sum(1), weight.sum(1), atol=1e-5)
