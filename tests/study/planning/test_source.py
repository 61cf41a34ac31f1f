import json
import subprocess
import sys

import pytest

from nnunet_uad.study.planning.source import add_small_plan
from nnunet_uad.study.study_file import read_study

SMALL = {"base": "2d", "spacing": 2, "patch": [32, 32], "features": [8, 16, 16], "batch": 4}


def configurations(workplace):
    return json.loads((workplace.source / "nnUNetPlans.json").read_text())["configurations"]


def test_the_small_plan_of_a_study_is_the_one_of_the_command(workplace):
    """2d_tiny was made by ``nnunet_uad small-plan`` with the same numbers."""
    study = read_study(workplace.write(configuration="2d_mini", small_plan=SMALL))
    add_small_plan(workplace.source, study)
    made = configurations(workplace)
    assert {**made["2d_mini"], "data_identifier": "nnUNetPlans_2d_tiny"} == made["2d_tiny"]
    add_small_plan(workplace.source, study)
    assert configurations(workplace) == made


def test_a_configuration_with_other_sizes_is_not_taken_for_it(workplace):
    changes = {"spacing": [2, 3], "features": [8, 16], "batch": 5}
    study = read_study(workplace.write(configuration="2d_tiny", small_plan={**SMALL, **changes}))
    with pytest.raises(ValueError, match="'2d_tiny' that differs from small_plan in spacing, features, batch"):
        add_small_plan(workplace.source, study)
    add_small_plan(workplace.source, read_study(workplace.write(configuration="2d_tiny", small_plan=SMALL)))


def test_plans_that_have_it_are_read_without_torch(workplace):
    path = workplace.write(configuration="2d_tiny", small_plan=SMALL)
    code = (
        "import sys; from pathlib import Path; from nnunet_uad.study.planning.source import add_small_plan; "
        "from nnunet_uad.study.study_file import read_study; "
        f"add_small_plan(Path({str(workplace.source)!r}), read_study(Path({str(path)!r}))); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
