import dataclasses
from pathlib import Path

import pytest
import torch
from weights_helpers import make_record

from nnunet_uad.weights.architecture import Architecture
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.suitability import TransferTarget, check_restorer_suits, check_suits

TARGET = TransferTarget(
    "Dataset991_Tiny",
    "2d_tiny",
    ("FLAIR", "T1"),
    ("ZScoreNormalization",) * 2,
    (2.0, 2.0),
    "dynamic_network_architectures.architectures.unet.PlainConvUNet",
)


def source(record=None, rank=4, names=(), kind="nnunet_uad", normalization=(), spacing=()):
    return SourceWeights(
        Path("x.safetensors"),
        kind,
        {"encoder.w": torch.zeros([1] * rank)},
        record,
        names or (record.channel_names if record else ()),
        normalization=record.normalization if record else normalization,
        spacing=record.spacing if record else spacing,
        architecture=Architecture.of(record.architecture, record.architecture_kwargs, ()) if record else None,
    )


def test_suitable_weights_pass_without_a_word():
    assert check_suits(source(make_record()), TARGET, "DAE") == []


def test_what_a_file_does_not_say_is_said():
    (warning,) = check_suits(source(), TARGET)
    assert warning == "x.safetensors does not say its spacing and normalisation, which could not be compared"


def test_plans_in_checkpoints_of_others_are_compared():
    """nnU-Net's own checkpoint says what it was trained on; nnssl's weights are meant for images of other kinds."""
    other = {"normalization": ("CTNormalization",), "spacing": (1.0, 1.0)}
    with pytest.raises(ValueError, match="of FLAIR: expected ZScore.*found CT.*\n.*spacing: expected about 2 x 2 mm"):
        check_suits(source(kind="nnunet", names=("FLAIR",), **other), TARGET)
    warnings = check_suits(source(kind="nnssl", **other), TARGET)
    assert [w.split(":")[0] for w in warnings] == ["normalisation", "spacing"]


def test_networks_of_others_are_compared_by_their_class():
    for kind in ("nnssl", "amaes"):
        weights = dataclasses.replace(source(kind=kind), architecture=Architecture.of("PrimusM", None, ()))
        with pytest.raises(ValueError, match="expected PlainConvUNet, found PrimusM.*\n.*small-plan --like FILE"):
            check_suits(weights, TARGET)
    remarks = dataclasses.replace(source(kind="amaes"), remarks=("it pools",))
    assert check_suits(remarks, TARGET)[-1] == "it pools"


def test_channels_of_one_name_are_compared_in_their_order():
    schemes = ("CTNormalization", "ZScoreNormalization")
    target = dataclasses.replace(TARGET, channel_names=("CT", "CT"), normalization=schemes)
    assert check_suits(source(make_record(channel_names=("CT", "CT"), normalization=schemes)), target) == []
    with pytest.raises(ValueError, match="normalisation of CT"):
        check_suits(source(make_record(channel_names=("CT", "CT"), normalization=schemes[::-1])), target)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (source(make_record(), rank=5), "dimension: expected 2D weights, found 3D"),
        (source(make_record(architecture="a.b.ResidualEncoderUNet")), "expected PlainConvUNet, found Residual"),
        (source(make_record(channel_names=("CT", "PET"))), "channels: expected some of FLAIR, T1, found CT, PET"),
        (source(names=("CT",)), "channels: expected some of FLAIR, T1, found CT"),
        (source(make_record(method="MAE")), "method: expected DAE, found MAE .*nnUNetTrainerMAEPretrained"),
        (source(make_record(spacing=(1.0, 1.0))), "spacing: expected about 2 x 2 mm, found 1 x 1 mm"),
        (
            source(make_record(normalization=("CTNormalization", "ZScoreNormalization"))),
            "normalisation of FLAIR: expected ZScoreNormalization, found CTNormalization",
        ),
    ],
)
def test_mismatches_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        check_suits(weights, TARGET, "DAE")


def test_what_is_a_matter_of_judgement_can_be_accepted():
    warnings = check_suits(source(make_record(spacing=(1.0, 1.0), method="MAE")), TARGET, "DAE", True)
    assert len(warnings) == 2
    with pytest.raises(ValueError, match="dimension"):
        check_suits(source(make_record(), rank=5), TARGET, "DAE", accept_mismatch=True)


def test_a_shared_channel_is_enough_and_case_does_not_matter():
    target = dataclasses.replace(TARGET, channel_names=("flair", "DWI"))
    assert check_suits(source(make_record()), target, "DAE") == []


def test_a_file_without_a_restorer_says_why_and_what_helps():
    described = {"network": {}, "restoration": {}}
    assert check_restorer_suits(source(make_record(restorer=described)), TARGET, "DAE").method == "DAE"
    with pytest.raises(ValueError, match="a file without a pretraining record"):
        check_restorer_suits(source(), TARGET, "DAE")
    with pytest.raises(ValueError, match="its method reconstructs no images"):
        check_restorer_suits(source(make_record(method="Contrastive", restorer={})), TARGET, "DAE")
    with pytest.raises(ValueError, match=r"as earlier versions wrote them.* 2d_tiny 0 -tr nnUNetPretrainerDAE .*--c"):
        check_restorer_suits(source(make_record(restorer={})), TARGET, "DAE")
