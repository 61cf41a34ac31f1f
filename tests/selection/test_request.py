import pytest

from nnunet_uad.selection.request import NextRequest

NAMES = {"model": "D/nnUNetPretrainerDAE__p__2d", "dataset": "D", "output": "next"}


def test_models_and_wishes():
    request = NextRequest(**NAMES, segmenter="D/nnUNetTrainer__p__2d", segmenter_folds=[1], anomaly_weight=0)
    assert request.supervised.names.trainer == "nnUNetTrainer" and request.supervised.folds == [1]
    assert NextRequest(**NAMES).supervised is None and request.weights.anomaly == 0
    assert request.wanted()["count"] == 5 and request.wanted()["slices"] is False


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, r"count expects a number in \[1, 10000\], found 0"),
        ({"anomaly_weight": -1}, "anomaly_weight expects a number"),
        ({"disagreement_weight": float("nan")}, "disagreement_weight expects a number"),
        ({"proposals": True}, "name one, -tr-seg TRAINER"),
    ],
)
def test_wishes_that_cannot_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        NextRequest(**NAMES, **wrong)
