import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.weights.case_names import UNNAMED, SeenCases, hidden_name, is_hidden, is_salt, new_salt, plain_name

SALT, OTHER = 32 * "1", 32 * "2"
NAMES = st.text(min_size=1, max_size=12)


def test_every_file_has_its_own_salt():
    assert new_salt() != new_salt() and is_salt(new_salt()) and not is_salt("") and not is_salt("x" * 32)


@given(NAMES)
def test_a_hash_repeats_and_shows_nothing_of_the_name(name):
    hidden = hidden_name(name, SALT)
    assert hidden == hidden_name(name, SALT) != hidden_name(name, OTHER) and is_hidden(hidden)


@given(NAMES, NAMES)
def test_hashed_names_are_found_exactly_where_names_are(seen, case):
    clear = SeenCases.of([seen])
    hidden = clear.hidden(SALT)
    assert (clear.find(case) is None) == (hidden.find(case) is None)
    assert (clear.key(case) in clear.contents) == (hidden.key(case) in hidden.contents)
    assert clear.named_like(seen, case) == hidden.named_like(hidden_name(seen, SALT), case)


def test_accidents_of_spelling_are_the_same_name():
    hidden = SeenCases.of({"Lesion_1": ("raw:1",)}).hidden(SALT)
    (key,) = hidden.contents
    assert hidden.find(" lesion_1.nii.gz") == key and hidden.find("lesion_2") is None
    assert hidden.shown(key, "lesion_1") == "lesion_1" and hidden.shown(key, "x") == UNNAMED
    assert SeenCases.of(["a"]).shown("a", "x") == "a" and plain_name("A.NII.gz") == "a"


def test_hashes_stand_in_an_order_that_tells_nothing():
    names = [f"patient_{i:03d}" for i in range(40)]
    hidden = list(SeenCases.of(names).hidden(SALT).contents)
    assert hidden == sorted(hidden) != [hidden_name(name, SALT) for name in names]


def test_hashes_are_not_hashed_again():
    with pytest.raises(ValueError, match="hashed already"):
        SeenCases.of(["a"]).hidden(SALT).hidden(OTHER)
