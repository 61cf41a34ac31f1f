import numpy as np
import pytest
from matplotlib.image import imread

from nnunet_uad.screening.findings import Case, findings_of
from nnunet_uad.screening.montage import slices_of, write_montage


def case_of(shape=(20, 30, 24), empty=False):
    """A known lesion in slice 8, unknown ones in slices 3 and 14, the one in slice 14 higher."""
    segmentation, unknown = np.zeros(shape, np.uint8), np.zeros(shape, bool)
    scores = np.full(shape, 0.0 if empty else 0.2, np.float32)
    if not empty:
        segmentation[8, 5:15, 5:15] = 1
        unknown[3, 20:25, 4:9] = unknown[14, 20:25, 14:19] = True
        scores[3, 20:25, 4:9], scores[14, 20:25, 14:19] = 2, 3
    properties = {"spacing": [3.0, 1.0, 2.0]}
    return Case(segmentation, unknown, scores, scores + 9 * (segmentation > 0), properties)


def written(case, path, title="case   FLAIR"):
    findings, labels = findings_of(case, {1: "lesion"})
    write_montage(case, np.ones(case.scores.shape), title, findings, labels > 0, path)
    return imread(path)[..., :3]


def test_slices_are_those_of_the_highest_findings_of_both_kinds():
    case = case_of()
    findings, _ = findings_of(case, {1: "lesion"})
    assert slices_of(findings, case.scores) == [3, 8, 14]
    assert slices_of(findings, case.scores, 2) == [8, 14], "by turns, though both unknown ones came first"
    assert slices_of([], case.scores, 1) == [14], "without findings the most anomalous slices"


def test_known_and_unknown_have_colours_of_their_own(tmp_path):
    picture = written(case_of(), tmp_path / "m.png")
    bluish, orange = picture[..., 2] - picture[..., 0] > 0.4, picture[..., 0] - picture[..., 2] > 0.4
    third = picture.shape[1] * 2 // 3
    assert bluish[:, third:].sum() > 500 and orange[:, third:].sum() > 500
    assert (tmp_path / "m.png").read_bytes() == _again(tmp_path)


def _again(folder):
    written(case_of(), folder / "again.png")
    return (folder / "again.png").read_bytes()


@pytest.mark.parametrize("case", [case_of(empty=True), case_of((15, 30, 24))], ids=["empty", "few slices"])
def test_nothing_to_show_and_odd_names_are_no_error(case, tmp_path):
    assert written(case, tmp_path / "m.png", r"a $\frac$").size
