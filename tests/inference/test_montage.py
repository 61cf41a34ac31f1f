import dataclasses

import numpy as np
import pytest
from matplotlib.image import imread

from nnunet_uad.inference.case import ScoredCase
from nnunet_uad.inference.montage import anomalous_slices, write_montage


def case(shape=(30, 24, 24)):
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, *shape)).astype(np.float32)
    score = np.zeros(shape, np.float32)
    score[shape[0] // 2, 5:9, 5:9] = 3
    return ScoredCase("c", image, 0.5 * image, np.ones(shape, bool), {}, score=score, spacing=(3.0, 1.0, 2.0))


@pytest.mark.parametrize("threshold", [None, 1.0, 99.0])
@pytest.mark.parametrize("shape", [(30, 24, 24), (1, 40, 20)])
def test_a_picture_of_each_shape(tmp_path, threshold, shape):
    write_montage(case(shape), 0, "FLAIR", threshold, tmp_path / "m.png")
    picture = imread(tmp_path / "m.png")
    assert picture.shape[1] == 960 and picture.std() > 0.02


def test_the_same_case_gives_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        write_montage(case(), 0, "FLAIR", 1.0, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_names_are_no_formulas(tmp_path):
    """Of a name like this matplotlib would make mathematics, and fail."""
    odd = dataclasses.replace(case((1, 24, 24)), identifier=r"a $\frac$")
    write_montage(odd, 0, r"T1 $^$", 1.0, tmp_path / "m.png")
    assert (tmp_path / "m.png").exists()


def test_slices_are_the_most_anomalous_and_apart():
    score = np.zeros((30, 4, 4))
    score[10], score[11], score[20], score[2] = 5, 4, 3, 2
    assert anomalous_slices(score) == [2, 10, 20]
    assert anomalous_slices(np.zeros((1, 4, 4))) == [0]


def test_slices_that_are_named_are_shown(tmp_path):
    write_montage(case(), 0, "FLAIR", None, tmp_path / "m.png", slices=[3, 9])
    assert imread(tmp_path / "m.png").shape[0] == 530


def test_an_empty_foreground_is_no_error(tmp_path):
    empty = case()
    empty = dataclasses.replace(empty, foreground=~empty.foreground, score=0 * empty.score, spacing=(1, 1, 1))
    write_montage(empty, 0, "FLAIR", None, tmp_path / "m.png")
    assert (tmp_path / "m.png").exists()
