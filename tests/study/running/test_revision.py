import subprocess

import nnunet_uad
from nnunet_uad.study.running import revision


def test_of_a_clone_and_of_an_installed_package(tmp_path, monkeypatch):
    package = tmp_path / "nnunet_uad"
    package.mkdir()
    monkeypatch.setattr(nnunet_uad, "__file__", str(package / "__init__.py"))
    assert revision.revision() is None
    (package / "a.py").write_text("1")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@e"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "m"]):
        subprocess.run([*git, *command], check=True)
    clean = revision.revision()
    assert clean and len(clean) == 12
    (package / "a.py").write_text("2")
    assert revision.revision() == f"{clean}-dirty"
