import numpy as np
import pytest
import tiny
import torch


def weights(trainer, part):
    return [p.detach().clone() for n, p in trainer.bare_network.named_parameters() if n.startswith(part)]


def run_epochs(trainer, epochs):
    trainer.on_train_start()
    for _ in range(epochs):
        trainer.on_epoch_start()
        trainer.on_train_epoch_start()
        for _ in range(trainer.num_iterations_per_epoch):
            trainer.train_step(next(trainer.dataloader_train))
        trainer.current_epoch += 1


def test_encoder_frozen_for_some_epochs(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "freeze_encoder_epochs=2")
    trainer = tiny.make_trainer("nnUNetTrainerFromScratch_4epochs_2iters")
    trainer.initialize()
    encoder, decoder = weights(trainer, "encoder"), weights(trainer, "decoder")
    run_epochs(trainer, 2)
    assert all(torch.equal(a, b) for a, b in zip(encoder, weights(trainer, "encoder"), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(decoder, weights(trainer, "decoder"), strict=True))
    trainer.on_train_epoch_start()
    trainer.train_step(next(trainer.dataloader_train))
    assert not any(torch.equal(a, b) for a, b in zip(encoder, weights(trainer, "encoder"), strict=True) if a.ndim > 1)


def test_encoder_frozen_for_good_has_no_optimiser_state(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "freeze_encoder_epochs=-1")
    trainer = tiny.make_trainer("nnUNetTrainerFromScratch_4epochs_2iters")
    trainer.initialize()
    assert [g["name"] for g in trainer.optimizer.param_groups] == ["decoder", "head"]
    assert not any(p.requires_grad for p in trainer.bare_network.encoder.parameters())


def test_parts_have_their_own_rates_and_cover_every_parameter(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "encoder_lr=0.1 head_lr=3 learning_rate=0.002")
    trainer = tiny.make_trainer("nnUNetTrainerFromScratch_4epochs_2iters")
    trainer.initialize()
    rates = {g["name"]: g["peak_lr"] for g in trainer.optimizer.param_groups}
    assert rates == pytest.approx({"decoder": 0.002, "encoder": 0.0002, "head": 0.006})
    grouped = sum(p.numel() for g in trainer.optimizer.param_groups for p in g["params"])
    assert grouped == sum(p.numel() for p in trainer.network.parameters())


def test_an_epoch_without_foreground_does_not_poison_the_moving_average(tiny_dataset, results):
    trainer = tiny.make_trainer("nnUNetTrainerFromScratch_4epochs_2iters")
    trainer.initialize()
    zeros = {k: np.zeros(2, np.float32) for k in ("tp_hard", "fp_hard", "fn_hard")}
    trainer.on_validation_epoch_end([{**zeros, "loss": np.float32(1)}])
    assert trainer.logger.get_value("ema_fg_dice", -1) == 0
    some = {**zeros, "tp_hard": np.array([5.0, 0.0]), "loss": np.float32(1)}
    trainer.on_validation_epoch_end([some])
    assert np.isfinite(trainer.logger.get_value("ema_fg_dice", -1))


@pytest.mark.parametrize("text", ["encoder_lr=-1", "freeze_encoder_epochs=-2", "optimizer=lion", "warmup=1"])
def test_bad_settings_are_refused(tiny_dataset, results, monkeypatch, text):
    monkeypatch.setenv("nnUNet_uad_settings", text)
    with pytest.raises(ValueError, match=text.split("=")[0]):
        tiny.make_trainer("nnUNetTrainerFromScratch")


def test_sgd_is_available(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "optimizer=sgd learning_rate=0.01")
    trainer = tiny.make_trainer("nnUNetTrainerFromScratch_4epochs_2iters")
    trainer.initialize()
    assert isinstance(trainer.optimizer, torch.optim.SGD)
