import subprocess
import sys
from pathlib import Path

from nnunet_uad.weights.names import FILE_NAME, RESTORER_VARIABLE, WEIGHTS_VARIABLE


def test_names_are_known_without_torch():
    code = "import nnunet_uad.weights.names, sys; assert not {'torch', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_users_read_of_them():
    page = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in (FILE_NAME, RESTORER_VARIABLE, WEIGHTS_VARIABLE))
