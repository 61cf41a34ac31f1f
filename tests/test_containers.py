"""Both recipes set the same variables and run the same steps; what builds them here is said in docs/containers.md."""

import re

from floors import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
APPTAINER = (ROOT / "containers" / "nnunet_uad.def").read_text()


def test_both_recipes_set_the_same_variables():
    env = re.search(r"^ENV (.*?[^\\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)[1]
    docker = dict(re.findall(r"(\w+)=(\S+)", env))
    apptainer = dict(re.findall(r"^ +export (\w+)=(.+)$", APPTAINER, re.MULTILINE))
    # Apptainer runs as who one is, with one's own home.
    assert {k: v for k, v in docker.items() if k not in ("HOME", "USER")} == apptainer
    assert docker["nnUNet_extTrainer"].endswith("/nnunet_uad/plugin")
    assert docker["PATH"].startswith("/opt/nnunet_uad/bin:")
    page = (ROOT / "docs" / "containers.md").read_text()
    assert [name for name in apptainer if f"`{name}`" not in page] == []


def test_both_recipes_begin_and_build_alike():
    base = re.search(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE)[1]
    assert f"Bootstrap: docker\nFrom: {base}\n" in APPTAINER
    for recipe in (DOCKERFILE, APPTAINER):
        assert "sh /mnt/containers/install.sh /mnt" in recipe


def test_what_the_image_leaves_out_is_not_tracked():
    """Git would call a checkout with holes changed, and the version would say so."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    ignored = {line.removeprefix("**/") for line in ignored if line and not line.startswith("#")}
    of_git = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    assert ignored <= of_git
