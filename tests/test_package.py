"""Both ways of installing give the package and its two wings; a source distribution holds what the repository does."""

import shutil
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

import nnunet_uad

ROOT = Path(__file__).parents[1]


def tagged_clone(folder):
    """A clone as a release finds it: at a tag, nothing changed."""
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", folder], check=True)
    subprocess.run(["git", "tag", "v9.8.7"], check=True, cwd=folder)
    return folder


def tracked(folder, *paths):
    """Files of a clone."""
    listed = subprocess.run(["git", "ls-files", *paths], capture_output=True, text=True, check=True, cwd=folder)
    return listed.stdout.split()


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
    own = [path for path in sys.path if Path(path).name == "site-packages"]
    (Path(site) / "parent.pth").write_text("\n".join(own) + "\n")
    source = tagged_clone(tmp_path / "source")
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
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert version.strip() == "9.8.7"
    if not editable:
        check_what_is_installed(Path(site), source)


def check_what_is_installed(site, source):
    """The package and nothing beside it: each of its files, and its wings'."""
    beside = {p.name for p in site.iterdir()} - {"parent.pth", "nnunet_uad", "nnunet_uad-9.8.7.dist-info"}
    assert beside == set()
    files = {str(p.relative_to(site)) for p in (site / "nnunet_uad").rglob("*") if p.is_file() and p.suffix != ".pyc"}
    wings = {f"nnunet_uad/{name}" for name in tracked(source, "pretrain", "trainers")}
    links = {"nnunet_uad/pretrain", "nnunet_uad/trainers"}
    assert files == (set(tracked(source, "nnunet_uad")) - links) | wings
    assert "nnunet_uad/py.typed" in files


def test_the_source_distribution_holds_every_file_of_the_repository_once(tmp_path):
    source = tagged_clone(tmp_path / "source")
    listed = tracked(source)
    subprocess.run([sys.executable, "setup.py", "--quiet", "sdist", "-d", tmp_path], check=True, cwd=source)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = [m.name.split("/", 1)[1] for m in archive if m.isfile() or m.issym()]
    made = {name for name in packed if name.startswith("nnunet_uad.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    # The links beside the packages are left out: the wings are packed as themselves.
    links = {"nnunet_uad/pretrain", "nnunet_uad/trainers"}
    assert sorted(set(packed) - made) == sorted(set(listed) - links)
    assert len(packed) == len(set(packed))
    # Without git it knows its version, too.
    shutil.unpack_archive(next(tmp_path.glob("*.tar.gz")), tmp_path / "unpacked", filter="data")
    again, version = tmp_path / "unpacked" / "nnunet_uad-9.8.7", [sys.executable, "setup.py", "--version"]
    printed = subprocess.run(version, capture_output=True, text=True, check=True, cwd=again)
    assert printed.stdout.split()[-1] == "9.8.7"


def test_a_folder_that_nobody_installed_is_of_an_unknown_version(monkeypatch):
    def none(name):
        raise metadata.PackageNotFoundError(name)

    assert nnunet_uad.__version__ == metadata.version("nnunet_uad")
    monkeypatch.setattr(metadata, "version", none)
    assert nnunet_uad.__version__ == "0+unknown"
