"""Both ways of installing give the package and its two wings; a source distribution holds what the repository does."""

import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("editable", [False, True])
def test_installation_maps_the_wings_into_the_package(tmp_path, editable):
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # What nnU-Net and torch need comes from this environment; the package itself must not.
    (Path(site) / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", source], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-build-isolation"]
        + (["--editable"] if editable else [])
        + [source],
        check=True,
    )
    script = (
        "import nnunet_uad, nnunet_uad.pretrain.dae, nnunet_uad.trainers.pretrained, nnunet_uad.plugin\n"
        "print(nnunet_uad.pretrain.__file__)"
    )
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = source / "pretrain" if editable else Path(site) / "nnunet_uad" / "pretrain"
    # An editable installation may go through the link nnunet_uad/pretrain.
    assert Path(done.stdout.strip()).parent.resolve() == expected.resolve()
    command = environment / "bin" / "nnunet_uad"
    printed = subprocess.run([command, "env"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert str(source if editable else site) in printed


def test_the_source_distribution_holds_every_file_of_the_repository_once(tmp_path):
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", source], check=True)
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=source).stdout.split()
    subprocess.run([sys.executable, "setup.py", "--quiet", "sdist", "-d", tmp_path], check=True, cwd=source)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = [m.name.split("/", 1)[1] for m in archive if m.isfile() or m.issym()]
    made = {name for name in packed if name.startswith("nnunet_uad.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    # The links beside the packages are left out: the wings are packed as themselves.
    links = {"nnunet_uad/pretrain", "nnunet_uad/trainers"}
    assert sorted(set(packed) - made) == sorted(set(listed) - links)
    assert len(packed) == len(set(packed))
