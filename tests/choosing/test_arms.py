import pytest
import tiny
import torch
from safetensors.torch import save_file
from weights_helpers import make_record

from nnunet_uad.choosing.arms import ANY_WEIGHTS, DEFAULTS, Entry, entries, most_arms, trainer_for
from nnunet_uad.methods import TRAINERS
from nnunet_uad.weights.record import BaseWeights
from nnunet_uad.weights.safe_file import write_pretrained


def test_the_default_arms_exist_and_fewer_enter_with_few_labels():
    assert set(DEFAULTS.values()) <= set(TRAINERS) and ANY_WEIGHTS in TRAINERS
    assert [most_arms(n) for n in (2, 3, 5, 100)] == [1, 2, 4, len(DEFAULTS)]
    assert list(entries([], {}, 3)) == list(DEFAULTS)[:2]


def test_weights_come_first_and_named_arms_instead_of_the_default_ones():
    found = entries(["a=nnUNetTrainerDAEPretrained"], {"x.pth": "nnUNetTrainerMAEPretrained"}, 9)
    assert found == {
        "weights": Entry("nnUNetTrainerMAEPretrained", "x.pth"),
        "a": Entry("nnUNetTrainerDAEPretrained"),
    }
    assert list(entries([], {"x": "t", "y": "t"}, 2)) == ["weights 1", "weights 2", "DAE + lesion bank"]


def test_an_arm_with_weights_needs_no_pretraining_for_them():
    assert Entry("nnUNetTrainerDAEPretrained").pretrainers == ["nnUNetPretrainerDAE"]
    assert Entry("nnUNetTrainerDAEPretrained", "x.pth").pretrainers == []
    both = Entry("nnUNetTrainerDAEPretrainedDiffusionResidual", "x.pth")
    assert both.pretrainers == ["nnUNetPretrainerDDPM"] and Entry("nnUNetTrainerLesionBank").pretrainers == []


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("DAE", "expects NAME=TRAINER"),
        ("scratch=nnUNetTrainerDAEPretrained", "none called scratch"),
        ("=nnUNetTrainerDAEPretrained", "expects NAME=TRAINER"),
        (
            "a=nnUNetTrainerDAEPretraind",
            "'nnUNetTrainerDAEPretraind' is none of the trainers.*nnUNetTrainerDAEPretrained",
        ),
    ],
)
def test_arms_that_cannot_be_are_refused(named, message):
    with pytest.raises(ValueError, match=message):
        entries([named], {}, 5)


def test_weights_of_others_are_tried_with_a_trainer_that_takes_any(tiny_dataset, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file({"encoder.stages.0.0.convs.0.conv.weight": torch.ones(8, 2, 3, 3)}, file)
    trainer, warnings = trainer_for(file, tiny.NUMBER, "2d_tiny", "nnUNetPlans")
    assert trainer == ANY_WEIGHTS and any("could not be compared" in text for text in warnings)
    assert any(text.startswith(f"LEAKAGE? It is not known which cases {file} saw") for text in warnings)
    save_file({"encoder.stages.0.0.convs.0.conv.weight": torch.ones(8, 2, 3, 3, 3)}, file)
    with pytest.raises(ValueError, match="expected 2D weights, found 3D"):
        trainer_for(file, tiny.NUMBER, "2d_tiny", "nnUNetPlans")
    with pytest.raises(FileNotFoundError, match="no weight file at"):
        trainer_for(tmp_path / "nowhere.pth", tiny.NUMBER, "2d_tiny", "nnUNetPlans")


KNOWN = {"a": ("raw:1",), "b": ("raw:2",)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contents": KNOWN}, []),
        ({}, ["has no fingerprints of its cases' images"]),
        (
            {"contents": KNOWN, "bases": (BaseWeights("x.pth", "0", "nnssl"),)},
            ["LEAKAGE? It is not known which cases x.pth, from which nnUNetPretrainerDAE went on, saw"],
        ),
    ],
)
def test_what_cannot_be_known_of_weights_is_said(tiny_dataset, tmp_path, monkeypatch, changes, said):
    monkeypatch.setattr("nnunet_uad.weights.suitability.check_suits", lambda *a: [])
    file = tmp_path / "pretrained.safetensors"
    write_pretrained(file, {"encoder.weight": torch.ones(3)}, make_record(**changes))
    _, warnings = trainer_for(file, tiny.NUMBER, "2d_tiny", "nnUNetPlans")
    assert len(warnings) == len(said) and all(a in b for a, b in zip(said, warnings, strict=True))
