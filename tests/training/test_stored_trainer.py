from pathlib import Path

import pytest
import tiny
import torch
from weights_helpers import Malicious

NAME = "nnUNetTrainerFromScratch_10epochs_2iters"


def test_checkpoints_are_whole_or_absent_and_free_of_numpy(tiny_dataset, results, monkeypatch):
    trainer = tiny.make_trainer(NAME)
    trainer.on_train_start()
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(path)
    before = torch.load(path, weights_only=True)
    assert before["trainer_name"] == NAME

    def interrupted(content, filename):
        with open(filename, "wb") as handle:
            handle.write(b"half")
        raise KeyboardInterrupt("in the middle")

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt, match="in the middle"):
        trainer.save_checkpoint(path)
    assert torch.load(path, weights_only=True)["current_epoch"] == before["current_epoch"]


def test_the_plans_stay_nnunets_own(tiny_dataset, results):
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    assert "nnunet_uad" not in trainer.plans_manager.plans


def test_a_seed_is_drawn_recorded_and_comes_back(tiny_dataset, results):
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(path)
    other = tiny.make_trainer(NAME)
    assert other.seed != trainer.seed
    other.load_checkpoint(path)
    assert other.seed == trainer.seed


def _altered(path, target, **changes):
    torch.save({**torch.load(path, weights_only=True), **changes}, target)
    return str(target)


def test_a_checkpoint_is_checked_before_it_is_continued(tiny_dataset, results, tmp_path):
    """What nnU-Net would unpickle or take as it is: code, other folds, lengths, tensors, optimisers."""
    path = tiny.save_untrained(NAME) / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    weights = content["network_weights"]
    last = list(weights)[-1]
    odd = {
        "code": ({"x": Malicious(tmp_path / "ran")}, "would have to run code"),
        "fold": ({"init_args": {**content["init_args"], "fold": 1}}, "was trained on fold 1, but this is fold 0"),
        "epoch": ({"current_epoch": 10**9}, "current_epoch expects 0 to 10"),
        "optimiser": ({"optimizer_state": {"state": {}, "param_groups": []}}, "does not fit"),
        "logs": ({"logging": [1]}, "logging expects a mapping"),
        "tensors": ({"network_weights": {n: t for n, t in weights.items() if n != last}}, f"{last} is missing"),
        "NaN": ({"network_weights": {n: t * float("nan") for n, t in weights.items()}}, "NaN or infinite"),
    }
    trainer = tiny.make_trainer(NAME)
    for name, (changes, message) in odd.items():
        file = _altered(path, tmp_path / f"{name}.pth", **changes)
        with pytest.raises(ValueError, match=message) as refusal:
            trainer.load_checkpoint(file)
        assert file in str(refusal.value)
    assert not (tmp_path / "ran").exists()
    trainer.load_checkpoint(str(path))


def test_a_training_that_diverges_ends_in_words_and_keeps_what_it_had(tiny_dataset, results):
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters")
    trainer.initialize()
    path = Path(trainer.output_folder) / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(path))
    kept = [p.read_bytes() for p in (path, path.with_name("pretrained.safetensors"))]
    nan, parts = torch.tensor(float("nan")), {}
    with pytest.raises(RuntimeError, match=r"all 2 losses of epoch 0 are NaN.*checkpoint_latest\.pth.*learning_rate="):
        trainer.on_train_epoch_end([{"loss": nan, "parts": parts}] * 2)
    next(trainer.network.parameters()).data.fill_(float("inf"))
    with pytest.raises(RuntimeError, match="diverged: .* holds NaN or infinite numbers"):
        trainer.save_checkpoint(str(path))
    assert kept == [p.read_bytes() for p in (path, path.with_name("pretrained.safetensors"))]
