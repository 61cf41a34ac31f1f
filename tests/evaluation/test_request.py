from pathlib import Path

from nnunet_uad.evaluation.floors import Floor
from nnunet_uad.evaluation.request import EvaluationRequest


def test_channels_and_foreground_follow_from_what_is_asked():
    plain = EvaluationRequest(maps=[Path("maps")], labels=Path("labels"))
    assert plain.channels == [] and plain.floor_scores == [] and plain.foreground == "scores"
    beside = EvaluationRequest(
        [Path("maps")], Path("labels"), baselines={"b": 2}, floors=[Floor(0, "F"), Floor(2, "T")]
    )
    assert beside.channels == [0, 2] and beside.foreground == "images"
    assert {"robust_z:F", "robust_z:T@3mm"} < set(beside.floor_scores)
    assert EvaluationRequest([], Path("l"), masks=Path("m"), baselines={"b": 0}).foreground == "masks"
