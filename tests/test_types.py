"""Type checkers read the whole house: a wrong type in a wing is as visible as one in the core."""

from floors import ROOT, sources
from mypy.main import process_options
from mypy_files import modules_of_mypy


def test_mypy_reads_core_wings_tools_and_benchmarks():
    read = modules_of_mypy(ROOT)
    assert {f"nnunet_uad.{name}".rstrip("."): path for name, path in sources().items()}.items() <= read.items()
    assert {p for folder in ("tools", "benchmarks") for p in (ROOT / folder).glob("*.py")} <= set(read.values())


def test_mypy_is_as_strict_with_the_wings_as_with_the_core(monkeypatch):
    monkeypatch.chdir(ROOT)
    _, options = process_options([])
    for module in ("nnunet_uad.scoring.score", "nnunet_uad.pretrain.dae", "nnunet_uad.trainers.residual"):
        rules = options.clone_for_module(module)
        assert rules.disallow_untyped_defs and rules.check_untyped_defs
        assert not rules.ignore_errors and rules.follow_imports == "normal"
