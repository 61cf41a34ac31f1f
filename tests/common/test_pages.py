import pytest
from jinja2 import UndefinedError

from nnunet_uad.common.pages import render_page


def test_texts_are_escaped_and_the_style_is_shared(tmp_path):
    template = tmp_path / "t.html"
    template.write_text('<style>{% include "page.css" %}</style>{{ name }}')
    page = render_page(template, {"name": "<a>"})
    assert page.endswith("&lt;a&gt;") and "--paper" in page
    with pytest.raises(UndefinedError, match="name"):
        render_page(template, {})
