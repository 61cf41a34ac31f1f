"""Encoders of AMAES and FOMO25, by hand in the layout of their code; its blocks are yucca's, which is on PyPI."""

import pytest
import torch
from peers import amaes_state
from weights_helpers import Malicious

from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.weights.checkpoint import UnsafeCheckpointError
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.transfer import NO_PLACE, transfer


def saved(path, state):
    torch.save(state, path)
    return path


@pytest.mark.parametrize("prefix", ["model.", "model._orig_mod.", "_orig_mod.model.", ""])
@pytest.mark.parametrize("inside", [True, False])
def test_the_encoder_loads_whole_whoever_wrapped_it(tmp_path, prefix, inside):
    state = amaes_state(prefix=prefix)
    path = saved(tmp_path / "unet_b_lw_dec_fullaug.pth", {"state_dict": state, "epoch": 9} if inside else state)
    source = read_weights(path)
    assert (source.kind, source.spacing, source.normalization) == ("amaes", (1, 1, 1), ("RescaleTo01Normalization",))
    network = source.architecture
    assert network.arguments["features_per_stage"] == [4, 8, 16, 32, 64]
    made = PlanRecipe(network.name, network.arguments, network.requires_import, 1).build()
    report = transfer(source, made, ("FLAIR",))
    assert report.share("encoder") == 1.0 and report.share("decoder") == 0.0
    assert {o.name.partition(".")[0] for o in report.outcomes if o.reason == NO_PLACE} == {"rec_head"}
    last = made.encoder.stages[4][0].convs[1]
    assert torch.equal(last.conv.weight, state[f"{prefix}encoder.encoder_conv4.conv2.conv.weight"])
    assert torch.equal(last.norm.bias, state[f"{prefix}encoder.encoder_conv4.conv2.norm.bias"])


def test_what_their_network_computes_up_to_the_first_pooling(tmp_path):
    """The first stage is the same function; behind it AMAES pools by maximum and plans' networks stride."""
    source = read_weights(saved(tmp_path / "x.pth", amaes_state()))
    assert "max pooling" in source.remarks[0] and "99th percentile" in source.remarks[1]
    network = source.architecture
    made = PlanRecipe(network.name, network.arguments, network.requires_import, 1).build()
    transfer(source, made, ("FLAIR",))
    image = torch.randn(1, 1, 8, 8, 8)
    state, expected = amaes_state(prefix=""), image
    for i in (1, 2):
        name = f"encoder.in_conv.conv{i}"
        expected = torch.nn.functional.conv3d(
            expected, state[f"{name}.conv.weight"], state[f"{name}.conv.bias"], padding=1
        )
        norms = (state[f"{name}.norm.weight"], state[f"{name}.norm.bias"])
        expected = torch.nn.functional.instance_norm(expected, weight=norms[0], bias=norms[1])
        expected = torch.nn.functional.leaky_relu(expected, 0.01)
    assert torch.allclose(made.encoder.stages[0](image), expected, atol=1e-5)


def test_an_encoder_by_yuccas_own_code(tmp_path):
    """AMAES' blocks are yucca's, line by line: with the pooling of both it computes the same at every stage.

    Runs where ``pip install --no-deps yucca==1.1.7`` was called; all that yucca wants would be many packages.
    """
    layers = pytest.importorskip("yucca.modules.networks.blocks_and_layers.conv_layers")
    torch.manual_seed(3)
    kinds = {"conv_op": torch.nn.Conv3d, "norm_op": torch.nn.InstanceNorm3d, "dropout_op": None}
    norm = {"eps": 1e-5, "affine": True, "momentum": 0.1}
    widths = [1, 4, 8, 16, 32, 64]
    theirs = torch.nn.ModuleDict(
        {
            "encoder_conv" + str(stage) if stage else "in_conv": layers.DoubleConvDropoutNormNonlin(
                widths[stage], widths[stage + 1], norm_op_kwargs=norm, **kinds
            )
            for stage in range(5)
        }
    )
    state = {f"encoder.{name}": tensor for name, tensor in theirs.state_dict().items()}
    by_hand = {name: t.shape for name, t in amaes_state(prefix="").items() if name.startswith("encoder.")}
    assert {name: t.shape for name, t in state.items()} == by_hand
    source = read_weights(saved(tmp_path / "x.pth", {f"model.{name}": t for name, t in state.items()}))
    network = source.architecture
    pooled = {**network.arguments, "strides": [[1, 1, 1]] * 5}
    made = PlanRecipe(network.name, pooled, network.requires_import, 1).build()
    transfer(source, made, ("FLAIR",))
    ours = expected = torch.randn(1, 1, 32, 32, 32)
    for stage, block in enumerate(theirs.values()):
        pool = torch.nn.MaxPool3d(2) if stage else torch.nn.Identity()
        ours, expected = made.encoder.stages[stage](pool(ours)), block(pool(expected))
        assert torch.allclose(ours, expected, atol=1e-5)


def test_mednext_is_refused_and_the_u_net_named(tmp_path):
    state = {"model.encoder.stem.weight": torch.ones(4, 1, 1, 1, 1)}
    state["model.encoder.enc_block_0.0.conv1.weight"] = torch.ones(4, 1, 3, 3, 3)
    with pytest.raises(ValueError, match=r"MedNeXt, which is no network of nnU-Net's plans.*unet_b_lw_dec_fullaug"):
        read_weights(saved(tmp_path / "mednext.pth", state))


def test_a_cut_file_is_refused(tmp_path):
    state = {name: t for name, t in amaes_state().items() if "encoder_conv3" not in name}
    with pytest.raises(ValueError, match=r"encoder_conv3 holds no convolutions of 3x3x3"):
        read_weights(saved(tmp_path / "x.pth", state))
    with pytest.raises(ValueError, match="holds no usable weights"):
        read_weights(saved(tmp_path / "x.pth", {**amaes_state(), "note": "text"}))


def test_a_lightning_file_that_runs_code_is_refused_with_a_way(tmp_path):
    content = {"state_dict": amaes_state(), "hyper_parameters": Malicious(tmp_path / "ran")}
    with pytest.raises(UnsafeCheckpointError, match=r"save the tensors alone.*\['state_dict'\]"):
        read_weights(saved(tmp_path / "last.ckpt", content))
    assert not (tmp_path / "ran").exists()
