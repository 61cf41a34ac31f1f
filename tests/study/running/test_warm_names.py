from importlib.metadata import entry_points

from nnunet_uad.study.running.warm_names import ENTRIES, TRAINING


def test_a_training_is_what_nnunets_command_calls():
    (script,) = entry_points(group="console_scripts", name=TRAINING)
    assert tuple(script.value.split(":")) == ENTRIES[TRAINING]
