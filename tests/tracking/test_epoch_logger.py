import pytest

from nnunet_uad.tracking.epoch_logger import EpochLogger
from nnunet_uad.tracking.run import TrackedRun


class Notes:
    """A destination that remembers."""

    def __init__(self):
        self.said = []

    def check(self):
        self.said.append("check")

    def begin(self, run):
        self.said.append(("begin", run.epoch, dict(run.parameters)))

    def write(self, values, step):
        self.said.append((step, values))

    def summarise(self, values, step):
        self.said.append(("final", step, values))

    def picture(self, name, path, step):
        self.said.append((name, step))

    def end(self, status):
        self.said.append(status)


def with_notes() -> tuple[EpochLogger, Notes]:
    logger = EpochLogger(())
    logger.writers = [Notes()]
    return logger, logger.writers[0]


def test_an_epoch_is_handed_over_at_its_end(tmp_path):
    logger, notes = with_notes()
    logger.update_config({"hparas": {"batch_size": 4}})
    logger.update_config({"plans": {"much": "more"}})
    for _ in range(2):
        logger.begin(TrackedRun(tmp_path, 3, {"seed": 1}, print))
    logger.log("epoch_start_timestamps", 100.0, 3)
    logger.log("lrs", 0.1, 3)
    logger.log("epoch_end_timestamps", 107.5, 3)
    assert notes.said == [("begin", 3, {"seed": 1, "nnunet.batch_size": 4})]
    logger.end_epoch(3)
    logger.end_epoch(4)
    assert notes.said[1:] == [(3, {"lrs": 0.1, "epoch_seconds": 7.5})]


def test_a_validation_shows_numbers_and_some_pictures(tmp_path):
    logger, notes = with_notes()
    for k in range(20):
        (tmp_path / f"case_{k:02d}_montage.png").touch()
    logger.log_summary("final_val/AP", None)
    logger.log_summary("final_val/Dice", 0.5)
    logger.end_validation(tmp_path, 7)
    assert notes.said[0] == ("final", 7, {"final_val/Dice": 0.5}) and notes.said[-1] == "FINISHED"
    assert notes.said[1] == (f"{tmp_path.name}/case_00_montage", 7) and len(notes.said) == 18


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")])
def test_how_a_training_ended_is_told(tmp_path, error, status):
    logger, notes = with_notes()
    logger.begin(TrackedRun(tmp_path, 0, {}, print))
    with pytest.raises(error, match="enough"), logger.training():
        raise error("enough")
    with logger.training():
        pass
    assert notes.said[1:] == [status, "FINISHED"]
