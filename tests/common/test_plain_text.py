import io

import pytest
from matplotlib.figure import Figure

from nnunet_uad.common.plain_text import plain_text


@pytest.mark.parametrize("name", [r"$\frac$", "$x$ and $y$", "a $ b", r"back\slash", "_hidden", "{}", "<b>", "$^$"])
def test_every_name_is_drawn_letter_by_letter(name):
    figure = Figure()
    axis = figure.subplots()
    axis.plot([0, 1], label=plain_text(name))
    axis.set_title(plain_text(name))
    shown = axis.legend().get_texts()[0]
    figure.savefig(io.BytesIO())
    assert [t._preprocess_math(t.get_text())[1] for t in (shown, axis.title)] == [False, False]
    assert shown._preprocess_math(shown.get_text())[0].lstrip("\u200b") == name
