import pytest

from nnunet_uad.tracking import wanted
from nnunet_uad.tracking.wanted import LOG_VARIABLE, wanted_destinations


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", ()),
        ("  ", ()),
        ("tensorboard", ("tensorboard",)),
        ("MLflow,tensorboard mlflow", ("mlflow", "tensorboard")),
    ],
)
def test_destinations_are_named_once(monkeypatch, value, names):
    monkeypatch.setenv(LOG_VARIABLE, value)
    assert wanted_destinations() == names


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("tensorbord", "expects tensorboard or mlflow, or both, found 'tensorbord'. Did you mean 'tensorboard'"),
        ("tensorboard wandb", "nnUNet_wandb_enabled=1"),
    ],
)
def test_other_names_are_refused(monkeypatch, value, words):
    monkeypatch.setenv(LOG_VARIABLE, value)
    with pytest.raises(ValueError, match=words):
        wanted_destinations()


def test_a_missing_package_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setenv(LOG_VARIABLE, "mlflow")
    monkeypatch.setattr(wanted, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"mlflow, which is not installed: pip install 'nnunet_uad\[mlflow\]'"):
        wanted_destinations()
