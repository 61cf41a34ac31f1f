import numpy as np
import studies

from nnunet_uad.report.analysis import analyse
from nnunet_uad.report.collect import collect
from nnunet_uad.report.pictures import _window, case_pictures


def test_the_black_around_a_brain_is_cut_off():
    picture = np.zeros((40, 50))
    picture[10:20, 30:33] = 1
    assert _window(picture) == (slice(6, 24), slice(26, 37))
    picture[0, 0] = 1
    assert _window(picture) == (slice(0, 24), slice(0, 37))
    assert picture[_window(np.zeros((3, 3)))].shape == (40, 50)


def test_the_extremes_of_the_better_arm_beside_the_baseline(workplace):
    layout = workplace.plan(budgets=[1, 3])
    studies.finish(layout)
    results = collect(layout)
    best, worst = case_pictures(results, analyse(results))
    scores = [v for _, _, v in results.groups["Dataset991_Tiny", "1", "DAE"].entries("Dice")]
    assert f"DAE: Dice {max(scores):.3f}" in best.text and f"DAE: Dice {min(scores):.3f}" in worst.text
    assert "scratch: Dice" in best.text and "Trained with 1 case" in best.text
    assert best.data.startswith("data:image/png;base64,") and best.data != worst.data
    # Without the segmentations there is no picture, and no error.
    for path in (layout.folder / "cells").rglob("*.nii.gz"):
        path.unlink()
    assert case_pictures(results, analyse(results)) == []
