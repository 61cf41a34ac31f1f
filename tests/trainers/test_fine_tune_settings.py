import math

import pytest
import tiny
import torch

from nnunet_uad.common.settings import read_settings
from nnunet_uad.trainers.fine_tune_settings import SCHEDULES, FineTuneSettings
from nnunet_uad.trainers.pretrained import PretrainedSettings

NAME = "nnUNetTrainerFromScratch_4epochs_5iters"


def read(text, cls=PretrainedSettings):
    return read_settings(cls, text)


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        ("", 30),
        ("freeze_encoder_epochs=20", 20),
        ("freeze_encoder_epochs=-1", math.inf),
        ("schedule=freeze freeze_encoder_epochs=0", 0),
        ("schedule=warmup", 0),
        ("schedule=poly", 0),
        ("schedule=sawtooth", 5),
        ("schedule=sawtooth warmup=0.5 decoder_warmup=0.6 freeze_encoder_epochs=0", 30),
    ],
)
def test_how_long_the_encoder_stands_still(text, epochs):
    made = read(text)
    assert made.still_until(100) == epochs
    assert made.frozen_until(100) == (epochs if made.schedule == "freeze" else 0)


def test_a_shorter_wait_than_an_epoch_keeps_no_statistics():
    assert read("schedule=sawtooth").still_until(10) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schedule=saw", "schedule expects one of freeze, warmup, sawtooth, poly, found 'saw'"),
        ("schedule=sawtooth freeze_encoder_epochs=0.5", "freeze_encoder_epochs=0.5 beside it.* say schedule=freeze"),
        ("schedule=sawtooth freeze_encoder_epochs=0.3", "no part in schedule=sawtooth"),
        ("schedule=warmup freeze_encoder_epochs=-1", "freeze_encoder_epochs has no part in schedule=warmup"),
        ("decoder_warmup=0.2", "decoder_warmup has no part in schedule=freeze.* say schedule=sawtooth"),
        ("schedule=freeze decoder_warmup=0.5", "decoder_warmup has no part in schedule=freeze"),
        ("schedule=poly warmup=0.1", "or say schedule=freeze or schedule=warmup or schedule=sawtooth"),
    ],
)
def test_contradictions_are_refused_even_where_they_are_the_default(text, said):
    with pytest.raises(ValueError, match=f"^nnUNet_uad_settings: .*{said}"):
        read(text)


def test_a_share_of_nothing_contradicts_no_schedule():
    for name in SCHEDULES:
        read(f"schedule={name} warmup=0 freeze_encoder_epochs=0 decoder_warmup=0")


@pytest.mark.parametrize("text", ["schedule=freeze freeze_encoder_epochs=0", "schedule=warmup", "", "warmup=0.3"])
def test_every_part_warms_up_together_by_default(text):
    made = read(text, FineTuneSettings)
    assert {made.course(part) for part in ("encoder", "decoder", "head")} == {read(text).course("decoder")}


def rates_of(trainer, epochs):
    rates = []
    while trainer.current_epoch < epochs:
        trainer.on_epoch_start()
        trainer.on_train_epoch_start()
        for _ in range(trainer.num_iterations_per_epoch):
            trainer.train_step(next(trainer.dataloader_train))
            rates.append({group["name"]: group["lr"] for group in trainer.optimizer.param_groups})
        trainer.current_epoch += 1
    return rates


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw learning_rate=3e-3", "sgd learning_rate=1e-3 weight_decay=3e-5"])
def test_a_sawtooth_goes_on_where_it_stood(tiny_dataset, results, monkeypatch, optimizer):
    """The tooth: ten iterations, of which five are continued with ``--c``; in it the encoder does not move."""
    given = f"schedule=sawtooth warmup=0.8 decoder_warmup=0.625 seed=3 optimizer={optimizer}"
    monkeypatch.setenv("nnUNet_uad_settings", given)
    trainer = tiny.make_trainer(NAME)
    trainer.on_train_start()
    encoder = [p.detach().clone() for p in trainer.bare_network.encoder.parameters()]
    first = rates_of(trainer, 1)
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(path)
    whole = first + rates_of(trainer, 4)

    resumed = tiny.make_trainer(NAME, continue_training=True)
    resumed.load_checkpoint(path)
    # nnU-Net stores the number of the next epoch.
    resumed.current_epoch = 1
    resumed.on_train_start()
    again = rates_of(resumed, 2)
    still = resumed.bare_network.encoder.parameters()
    assert all(torch.equal(a, b) for a, b in zip(encoder, still, strict=True))
    assert first + again + rates_of(resumed, 4) == whole
    peak = trainer.settings.learning_rate
    assert [r["decoder"] / peak for r in whole[:11]] == pytest.approx(
        [1e-3, 0.2, 0.4, 0.6, 0.8, 1, 0.8, 0.6, 0.4, 0.2, 1e-3]
    )
    assert [r["encoder"] for r in whole[:10]] == [0] * 10 and whole[10]["encoder"] > 0
    assert all(r["encoder"] == r["decoder"] == r["head"] for r in whole[10:])
    moved = zip(encoder, resumed.bare_network.encoder.parameters(), strict=True)
    assert not any(torch.equal(a, b) for a, b in moved if a.ndim > 1)


def test_a_training_of_before_there_were_schedules_goes_on(tiny_dataset, results, monkeypatch):
    trainer = tiny.make_trainer(NAME)
    trainer.on_train_start()
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(path)
    content = torch.load(path, weights_only=True)
    stored = content["init_args"]["plans"]["nnunet_uad"]["settings"]
    del stored["schedule"], stored["decoder_warmup"]
    torch.save(content, path)

    resumed = tiny.make_trainer(NAME, continue_training=True)
    resumed.load_checkpoint(path)
    resumed.on_train_start()
    monkeypatch.setenv("nnUNet_uad_settings", "schedule=sawtooth")
    resumed = tiny.make_trainer(NAME, continue_training=True)
    resumed.load_checkpoint(path)
    with pytest.raises(RuntimeError, match=r"\(schedule=freeze\).*\(schedule=sawtooth from nnUNet_uad_settings\)"):
        resumed.on_train_start()
