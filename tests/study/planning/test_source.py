import json

from nnunet_uad.study.planning.source import resolved_configuration


def test_a_configuration_inherits_as_in_nnunet(workplace):
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = json.loads((workplace.source / "nnUNetPlans.json").read_text())
    plans["configurations"]["deeper"] = {"inherits_from": "2d_tiny", "batch_size": 3}
    theirs = PlansManager(plans).get_configuration("deeper").configuration
    ours = resolved_configuration(plans, "deeper")
    assert {k: ours[k] for k in theirs if k != "inherits_from"} == {
        k: v for k, v in theirs.items() if k != "inherits_from"
    }
