from pathlib import Path

from nnunet_uad.tracking.run import TrackedRun, flat, versions


def test_a_run_is_named_as_its_folder():
    run = TrackedRun(Path("results/Dataset901_Tumour/T__P__2d/fold_0"), 0, {}, print)
    assert (run.model.dataset, run.name) == ("Dataset901_Tumour", "T__P__2d fold_0")


def test_versions_are_those_of_what_the_numbers_depend_on():
    assert set(versions()) == {"python", "nnunet_uad", "nnunetv2", "torch"}


def test_empty_settings_keep_their_name():
    assert flat({"a": {"b": {}, "c": 1}}) == {"a.b": {}, "a.c": 1}
