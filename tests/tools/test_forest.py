"""Forest plots know what they show."""

from dataclasses import replace

import numpy as np
from forest import Forest, Mark, draw, drawn_from
from PIL import Image

PLAN = Forest((Mark("a", 0.1, (0.0, 0.2), "0.1 [0.0, 0.2]"), Mark("b", 0.3, None, "0.3")), "difference", line=0.0)


def test_a_figure_says_what_it_was_drawn_from(tmp_path):
    path = tmp_path / "figures" / "a.png"
    assert drawn_from(path) is None
    draw(PLAN, path)
    assert drawn_from(path) == PLAN.digest() != replace(PLAN, limits=(0.0, 1.0)).digest()
    assert np.asarray(Image.open(path).convert("L"), dtype=float).std() > 10


def test_pictures_of_others_say_nothing(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "other.png")
    assert drawn_from(tmp_path / "other.png") is None
