"""A page's commands are run one by one."""

import subprocess
import sys

from floors import ROOT
from run_page import blocks, script


def test_blocks_are_those_of_the_shell():
    page = "```bash\nA=1\n```\n\n```python\nx\n```\n\n1. item\n   ```bash\n   no\n   ```\n\n```bash\necho $A\n```\n"
    assert blocks(page) == ["A=1\n", "echo $A\n"]
    assert blocks((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))


def test_one_shell_runs_all_and_stops_at_a_failure(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\nA=it\\'s\n```\n\n```bash\ncurl x\n```\n\n```bash\necho $A; false\n```\n\n```bash\necho no\n```\n"
    )
    command = [sys.executable, ROOT / "tools" / "run_page.py", page, "--without", "^curl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "block 2, left out: curl x" in done.stdout and "it's" in done.stdout and "no" not in done.stdout.split()


def test_what_is_left_out_is_said():
    assert script(["ls"], ["l."]) == "set -eo pipefail\necho '== block 1, left out: ls'\n"
