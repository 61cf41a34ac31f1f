import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.sharing.markdown import plain_markdown
from nnunet_uad.weights.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dataset901_Tumour, 2 x 2 mm, arXiv:2412.17041 (p. 5-7)", None),
        ("_a_ T1_w __b", r"\_a\_ T1_w \_\_b"),
        ("- one", r"\- one"),
        ("1. one", r"1\. one"),
        ("1.5 mm", None),
        ("-0.5", None),
        ("===", r"\==="),
        ("a\n# b", "a # b"),
        ("$x$ &lt; ~~y~~ \\", r"\$x\$ \&lt; \~\~y\~\~ \\"),
        (12, "12"),
    ],
)
def test_text_stays_text_and_readable(text, shown):
    assert plain_markdown(text) == (text if shown is None else shown)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab1 \n\\`*_[]()<>&|~$#+-=.:!;/\"'{}^\té\u202e"), max_size=30))
def test_a_reader_of_markdown_sees_the_text(text):
    markdown_it = pytest.importorskip("markdown_it")
    reader = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    seen = printable(text)
    blocks = reader.parse(str(plain_markdown(text)))
    assert [block.type for block in blocks] == (["paragraph_open", "inline", "paragraph_close"] if seen else [])
    assert not seen or [(child.type, child.content) for child in blocks[1].children] == [("text", seen)]
