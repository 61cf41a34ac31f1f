import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.common.slugs import slug


@pytest.mark.parametrize(
    ("name", "expected"), [("TAE + auxiliary", "TAE_auxiliary"), ("+", "_"), ("DAE", "DAE"), ("a__b-3", "a_b_3")]
)
def test_ascii_names_keep_what_they_have_always_been(name, expected):
    assert slug(name) == expected


@given(st.lists(st.text(max_size=300).filter(lambda name: not name.isascii()), min_size=2, max_size=20, unique=True))
def test_other_names_are_distinct_and_safe_in_paths(names):
    """Short enough for file systems, of letters that Snakemake's wildcards and a shell take; any script or emoji."""
    slugs = [slug(name) for name in names]
    assert len(set(slugs)) == len({unicodedata.normalize("NFC", name) for name in names})
    assert all(re.fullmatch(r"\w{1,80}", s, re.ASCII) and "__" not in s for s in slugs)


def test_long_names_are_cut_and_stay_distinct():
    names = ["a" * 299 + end for end in "bc"]
    assert len({slug(name) for name in names}) == 2 and all(len(slug(name)) < 80 for name in names)


def test_two_ways_of_writing_an_accent_are_one_name():
    assert slug("\u00e9tude") == slug("e\u0301tude") == "etude_" + slug("\u00e9tude")[-8:]
