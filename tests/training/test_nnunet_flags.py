import pytest
import tiny
import torch
from nnunetv2.run import run_training
from weights_helpers import Malicious

from nnunet_uad.training.nnunet_flags import pretrained_weights_flag


class _Asked:
    was_initialized = False
    network = None
    seen = "nothing"

    def initialize(self):
        self.seen = pretrained_weights_flag()
        raise InterruptedError("initialised")


def test_the_flag_is_seen_while_nnunet_initialises_for_it():
    """The hook: nnU-Net's own function, its argument's name, and that it initialises before it reads the file."""
    trainer = _Asked()
    with pytest.raises(InterruptedError, match="initialised"):
        run_training.maybe_load_checkpoint(trainer, False, False, "mine.pth")
    assert trainer.seen == "mine.pth"
    assert pretrained_weights_flag() is None


def test_the_files_of_the_flag_run_no_code_and_are_not_replaced_in_silence(tiny_dataset, results, tmp_path):
    torch.save({"network_weights": {"a": torch.ones(1)}, "x": Malicious(tmp_path / "ran")}, tmp_path / "evil.pth")
    for name, said in {
        "nnUNetTrainerFromScratch": r"evil\.pth is a pickle that would have to run code",
        "nnUNetPretrainerDAE": r"evil\.pth is a pickle that would have to run code",
        "nnUNetTrainerDAEPretrained": r"-pretrained_weights .*evil\.pth.* nnUNet_uad_pretrained=.*evil\.pth",
    }.items():
        with pytest.raises(ValueError, match=said):
            tiny.run_training(f"{name}_1epochs_1iters", pretrained_weights=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ValueError, match="holds a frozen network beside"):
        tiny.make_trainer("nnUNetTrainerDAEResidual").check_pretrained_weights_flag("mine.pth")
