"""The former place of a module, which scripts of users may still name."""

import importlib


def test_the_former_place_is_the_same_module():
    former = importlib.import_module("nnunet_uad.study.job")
    assert former is importlib.import_module("nnunet_uad.study.running.job")
