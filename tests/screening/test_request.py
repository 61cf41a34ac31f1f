import pytest

from nnunet_uad.screening.request import ScreenRequest

COMMON = {
    "images": "IMAGES",
    "output": "OUT",
    "model": "D/nnUNetTrainer__p__2d",
    "map_model": "D/nnUNetPretrainerDAE__p__2d",
}


def test_each_model_gets_its_own_flags():
    request = ScreenRequest(**COMMON, folds=[0], map_folds=["all"], map_checkpoint="checkpoint_best.pth", device="cpu")
    assert request.known.names.trainer == "nnUNetTrainer" and request.known.checkpoint == "checkpoint_final.pth"
    assert (request.known.folds, request.map.folds) == ([0], ["all"])
    assert (request.map.checkpoint, request.map.device) == ("checkpoint_best.pth", "cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fpr": 0}, r"fpr expects a number in \(0, 1\), found 0"),
        ({"fpr": float("nan")}, "fpr expects"),
        ({"margin_mm": -1}, r"margin_mm expects a number in \[0, 1000\], found -1"),
        ({"min_mm3": float("inf")}, "min_mm3 expects"),
        ({"save": ["mask"]}, "save expects kinds out of segmentation, unknown, map, combined, png, found 'mask'"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ScreenRequest(**COMMON, **changes)
