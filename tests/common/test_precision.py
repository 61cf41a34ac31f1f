"""The precision of networks: bfloat16 on processors that have it, float32 around them; every trainer's step in it."""

import copy
import re
from collections import namedtuple
from contextlib import nullcontext

import pytest
import steps
import torch
from speed import write_plans
from torch import nn

from nnunet_uad.common import precision
from nnunet_uad.methods import NAMES, STOCK_TRAINER

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SIZES = {
    "2d": ((32, 32), (2.0, 2.0), (4, 8, 8), 2),
    "3d": ((16, 16, 16), (2.0, 2.0, 2.0), (4, 8, 8), 2),
}
#: Trainers of stage two that differ from another only in the weights they start from are left out.
OURS = [
    name
    for name in NAMES
    if name != STOCK_TRAINER and not re.fullmatch("nnUNetTrainer(?!DAE)[A-Z][A-Za-z]+Pretrained", name)
]
#: One of each kind.
IN_3D = (
    "nnUNetPretrainerDAE",
    "nnUNetPretrainerDDPM",
    "nnUNetPretrainerPatchGAN",
    "nnUNetTrainerDiffusionResidual",
    "nnUNetTrainerPatchGANScore",
    "nnUNetTrainerTAEPretrainedAuxReconstruction",
)


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [
        ({}, ""),
        ({"avx512_f": True, "avx512_bf16": False}, ""),
        ({"architecture": "aarch64", "bf16": True}, ""),
        ({"avx512_bf16": True}, "avx512_bf16"),
        ({"avx512_bf16": True, "amx_bf16": True}, "amx_bf16 avx512_bf16"),
    ],
)
def test_the_processor_is_asked(bfloat16, monkeypatch, capabilities, found):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert precision.bfloat16_instructions() == found
    assert precision.in_bfloat16("auto", CPU) == bool(found)
    assert not precision.in_bfloat16("off", CPU) and not precision.in_bfloat16("auto", CUDA)


def test_versions_of_pytorch_that_cannot_say_or_compute_it_have_none(bfloat16, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        assert precision.bfloat16_instructions() == ""
    assert precision.bfloat16_instructions() == "avx512_bf16"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert precision.bfloat16_instructions() == ""


def test_the_precision_is_told(bfloat16):
    assert precision.precision_in_words("auto", CPU) == "bfloat16 (avx512_bf16)"
    assert precision.precision_in_words("auto", CUDA).startswith("float16")
    assert {precision.precision_in_words("off", device) for device in (CPU, CUDA)} == {"float32"}
    assert precision.precision_in_words("auto", torch.device("mps")) == "float32"
    assert [precision.is_mixed(amp, d) for amp in ("auto", "off") for d in (CPU, CUDA)] == [True, True, False, False]


def test_switched_off_means_off_where_nnunet_switches_it_on():
    """And nnU-Net's own autocast on CUDA is left alone otherwise."""
    assert isinstance(precision.network_precision("auto", CUDA), nullcontext)
    # Without a GPU PyTorch warns and does not switch it on; whether it is on can be said all the same.
    torch.set_autocast_enabled("cuda", True)
    try:
        for context, on in (
            (precision.network_precision("auto", CUDA), True),
            (precision.network_precision("off", CPU), True),
            (precision.network_precision("off", CUDA), False),
            (precision.full_precision(CUDA), False),
        ):
            with context:
                assert torch.is_autocast_enabled("cuda") == on
    finally:
        torch.set_autocast_enabled("cuda", False)


def test_arithmetic_inside_a_network_can_be_kept_out():
    with torch.autocast("cpu", torch.bfloat16):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.bfloat16
        with precision.full_precision(CPU):
            assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32
    assert isinstance(precision.full_precision(torch.device("meta")), nullcontext)


def test_what_leaves_a_network_is_float32():
    Answer = namedtuple("Answer", ["logits", "inside"])
    half, inside = torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bool)
    kept = torch.ones(2, dtype=torch.float64)
    answer = precision.in_float32(Answer([half, (half.half(), None)], {"a": inside, "b": kept}))
    assert isinstance(answer, Answer) and isinstance(answer.logits, list) and isinstance(answer.logits[1], tuple)
    assert {t.dtype for t in (answer.logits[0], answer.logits[1][0])} == {torch.float32}
    assert answer.logits[1][1] is None and answer.inside["a"] is inside and answer.inside["b"] is kept


def test_a_network_keeps_its_precision_whoever_calls_it(bfloat16):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 3, 3), nn.LeakyReLU(), nn.Conv2d(3, 1, 3))
    image = torch.randn(1, 1, 8, 8)
    for kept in ("off", "auto"):
        network = copy.deepcopy(plain)
        precision.keep_precision(network, kept, CPU)
        output = network(image)
        assert output.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        assert torch.equal(output, plain(image)) == (kept == "off")
        output.sum().backward()
        assert all(p.grad.dtype == torch.float32 for p in network.parameters())
    torch.testing.assert_close(output, plain(image), atol=0.02, rtol=0.02)
    # Copied with the network, as estimates of memory do.
    assert torch.equal(copy.deepcopy(network)(image), output)


def test_a_call_that_fails_leaves_no_precision_behind(bfloat16):
    network = nn.Conv2d(1, 1, 3)
    precision.keep_precision(network, "auto", CPU)
    with pytest.raises(RuntimeError, match="to have 1 channel"):
        network(torch.ones(1, 2, 8, 8))
    assert not torch.is_autocast_enabled("cpu")
    assert network(torch.ones(1, 1, 8, 8)).dtype == torch.float32


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Plans without a dataset; nnU-Net's folders for them."""
    root = tmp_path_factory.mktemp("stage")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("nnUNet_preprocessed", "nnUNet_raw", "nnUNet_results"):
            patch.setenv(variable, str(root / variable.removeprefix("nnUNet_")))
        yield write_plans(root / "preprocessed", SIZES)


def make_steps(monkeypatch, stage, name, configuration, settings=""):
    """Two training steps and a validation step: the losses, and what the loss was computed of and in."""
    monkeypatch.setenv("nnUNet_uad_settings", f"seed=1 {settings}".strip())
    trainer = steps.make(name, configuration, *stage, "cpu")
    seen = []

    def watched(compute):
        def computed(*arguments):
            result = compute(*arguments)
            seen.append((getattr(result, "loss", result).dtype, torch.is_autocast_enabled("cpu")))
            return result

        return computed

    owner, what = (trainer.task, "step") if hasattr(trainer, "task") else (trainer.loss, "forward")
    monkeypatch.setattr(owner, what, watched(getattr(owner, what)))
    torch.manual_seed(2)
    batch = steps.batch_of(trainer)
    batch["data"].normal_()
    for target in batch["target"] if isinstance(batch["target"], list) else [batch["target"]]:
        target.random_(2)
    trainer.on_train_epoch_start()
    losses = [float(trainer.train_step(batch)["loss"]) for _ in range(2)]
    trainer.network.eval()
    with torch.no_grad():
        trainer.validation_step(batch)
    assert seen == [(torch.float32, False)] * 3
    assert all(p.dtype == torch.float32 for p in trainer.network.parameters())
    return losses


@pytest.mark.parametrize(
    ("name", "configuration"), [*((name, "2d") for name in OURS), *((name, "3d") for name in IN_3D)]
)
def test_every_trainer_steps_in_bfloat16_with_losses_in_float32(bfloat16, monkeypatch, stage, name, configuration):
    mixed = make_steps(monkeypatch, stage, name, configuration)
    off = make_steps(monkeypatch, stage, name, configuration, "amp=off")
    assert mixed == pytest.approx(off, rel=0.02)
    # The last convolution of a fresh diffusion network is 0, and so is its output, in any precision.
    assert mixed != off or name == "nnUNetPretrainerDDPM"
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert make_steps(monkeypatch, stage, name, configuration) == off
