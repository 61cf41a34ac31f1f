import pytest
import tiny

NAME = "nnUNetPretrainerSyntheticAnomaly_2epochs_2iters"


def test_a_misspelt_destination_is_refused_before_anything_is_written(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_log_to", "tensorbord")
    with pytest.raises(ValueError, match="Did you mean 'tensorboard'"):
        tiny.make_trainer(NAME)
    assert not any(results.iterdir())


def test_the_first_process_alone_has_destinations(tiny_dataset, results):
    trainer = tiny.make_trainer(NAME)
    assert trainer.logger.loggers == []
    trainer.local_rank = 1
    trainer.prepare_tracking(("tensorboard",))
    assert trainer.tracking.writers == [] and trainer.logger.loggers == []
    trainer.local_rank = 0
    trainer.prepare_tracking(("tensorboard",))
    assert trainer.logger.loggers == [trainer.tracking]


@pytest.mark.slow
def test_whoever_else_nnunets_logger_serves_gets_our_values_too(tiny_dataset, results):
    """W&B's logger is such a one."""

    class Other:
        def __init__(self):
            self.configuration, self.values, self.summary = {}, {}, {}

        def update_config(self, config):
            self.configuration |= config

        def log(self, key, value, step):
            self.values.setdefault(key, []).append((step, value))

        def log_summary(self, key, value):
            self.summary[key] = value

    trainer, other = tiny.make_trainer("nnUNetPretrainerSyntheticAnomaly_2epochs_2iters"), Other()
    trainer.logger.loggers.append(other)
    trainer.run_training()
    assert {"hparas", "nnunet_uad"} <= set(other.configuration)
    assert {"train_losses", "val_losses", "lrs", "mean_fg_dice", "ema_fg_dice", "Dice"} <= set(other.values)
    assert [step for step, _ in other.values["Dice"]] == [0, 1]
