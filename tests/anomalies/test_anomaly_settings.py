import pytest

from nnunet_uad.anomalies.anomaly_settings import ANOMALY_KINDS, AnomalySettings, brighter_channels
from nnunet_uad.anomalies.transforms import KINDS

NAMES = ["FLAIR", "T1c"]


def test_every_kind_that_settings_may_name_has_a_transform():
    assert tuple(KINDS) == ANOMALY_KINDS and {*AnomalySettings().anomaly_kinds} <= {*ANOMALY_KINDS}


def test_signs():
    assert brighter_channels("auto", NAMES).tolist() == [True, False]
    assert brighter_channels("any", NAMES).tolist() == [False, False]
    assert brighter_channels("brighter", NAMES).tolist() == [True, True]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"anomalies": "perlin,blob"}, "some of perlin"),
        ({"anomaly_sign": "green"}, "auto, any, brighter, darker"),
        ({"anomaly_probability": 0.0}, r"anomaly_probability expects a number in \(0, 1\]"),
        ({"anomaly_size_mm": (9.0, 3.0)}, "anomaly_size_mm expects .* with LOW <= HIGH"),
    ],
)
def test_bad_settings(bad, said):
    with pytest.raises(ValueError, match=said):
        AnomalySettings(**bad)
