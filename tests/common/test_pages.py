import pytest
from jinja2 import UndefinedError

from nnunet_uad.common.pages import render_page


def test_texts_are_escaped_and_frame_and_style_are_shared(tmp_path):
    template = tmp_path / "t.html"
    template.write_text('{% extends "page.html" %}{% block main %}{{ name }}{% endblock %}')
    page = render_page(template, {"name": "<a>", "title": "T&T"})
    assert page.startswith("<!DOCTYPE html>") and "<title>T&amp;T</title>" in page and "--paper" in page
    assert "<main>\n&lt;a&gt;</main>" in page
    with pytest.raises(UndefinedError, match="name"):
        render_page(template, {"title": ""})
