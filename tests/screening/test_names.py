import subprocess
import sys

from nnunet_uad.screening import names


def test_flags_are_declared_without_torch():
    code = "import nnunet_uad.screening.names, sys; assert not {'torch', 'numpy', 'nnunetv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_defaults_are_allowed():
    assert names.DEFAULT_RATE in names.RATE and names.DEFAULT_MARGIN_MM in names.MARGIN
    assert names.DEFAULT_MIN_MM3 in names.VOLUME
