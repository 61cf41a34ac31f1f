"""The package's face: what ``import nnunet_uad`` offers, and the page that shows it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnunet_uad

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python.md"


@pytest.mark.parametrize("name", nnunet_uad.__all__)
def test_every_name_is_there_and_documented_with_an_example(name):
    documentation = getattr(nnunet_uad, name).__doc__
    assert ">>> " in documentation and name in dir(nnunet_uad)


def test_type_checkers_see_the_same_names_from_the_same_modules():
    tree = ast.parse(Path(nnunet_uad.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        node.module.removeprefix("nnunet_uad."): tuple(alias.name for alias in node.names)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert seen == nnunet_uad._HOMES
    assert sorted(name for names in seen.values() for name in names) == nnunet_uad.__all__
    assert (Path(nnunet_uad.__file__).parent / "py.typed").is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'predict_everything'"):
        nnunet_uad.predict_everything  # noqa: B018


def run_python(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing_heavy():
    heavy = "'torch', 'numpy', 'nnunetv2', 'SimpleITK', 'scipy', 'matplotlib', 'pydantic'"
    assert run_python(f"import sys, nnunet_uad; print([m for m in ({heavy}) if m in sys.modules])") == "[]\n"


def test_help_of_every_command_loads_no_pytorch():
    script = """
import argparse, importlib, sys
from nnunet_uad.cli.main import SUBCOMMANDS
for command, module in SUBCOMMANDS.items():
    importlib.import_module(f"nnunet_uad.cli.{module}").add_arguments(argparse.ArgumentParser())
    if "torch" in sys.modules:
        sys.exit(f"{command} --help loads PyTorch")
print("light")
"""
    assert run_python(script) == "light\n"


def test_the_page_runs_from_top_to_bottom(example_folder, monkeypatch, capsys):
    monkeypatch.chdir(example_folder)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    namespace: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), namespace)
    assert namespace["anomaly_map"].shape == (12, 40, 40)
    assert (example_folder / "MAPS" / "case_montage.png").exists()
    assert "('case',) () {}" in capsys.readouterr().out


def test_the_page_names_everything():
    text = PAGE.read_text(encoding="utf-8")
    assert not [name for name in nnunet_uad.__all__ if f"`{name}`" not in text]
