import re

import pytest
import yaml

from nnunet_uad.sharing.card import model_card
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.record import BaseWeights


def card_of(path):
    source = read_weights(path)
    return model_card(source, source.record)


def test_the_front_matter_is_the_hubs(weights):
    card = card_of(weights(licence="CC-BY-4.0", method="DAE"))
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "cc-by-4.0" and front["library_name"] == "nnunet_uad" and "dae" in front["tags"]


def test_the_card_says_what_is_known_what_is_not_and_what_it_is_not(weights):
    card = card_of(weights(data_statement="Scans | of nobody", metrics={"map AP": 0.25}, validation_cases=3))
    assert "**Not a medical device.**" in card and "| map AP | 0.2500 |" in card and "Of 3 validation cases" in card
    assert "Nobody said: licence." in card and "ask before you use them" in card
    assert "Scans \\| of nobody" in card and "as hashes with a random salt" in card
    assert "nnUNetv2_train DATASET like_weights FOLD -tr nnUNetTrainerDAEPretrained" in card


def test_names_in_clear_are_said_not_shown(weights):
    card = card_of(weights(salt="", cases=("patient_x",)))
    assert "stand in the file in clear" in card and "patient_x" not in card and "Nobody measured any" in card


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fold": "0"}, "fold 0, which the pretraining did not train on.\nRows"),
        (
            {"fold": "all"},
            "fold all, which the pretraining trained on, too: the values are better than on unseen cases.\n",
        ),
        # Nobody compared them with what the weights before have seen.
        ({"fold": "0", "bases": (BaseWeights("x.pth", "0", "nnssl"),)}, "fold 0.\nRows"),
    ],
)
def test_whether_the_validation_cases_were_trained_on_is_said_where_it_is_known(weights, changes, words):
    assert words in card_of(weights(metrics={"map AP": 0.25}, validation_cases=3, **changes))


def test_what_others_wrote_stays_text(weights):
    """No picture that is fetched, no link, no script, no heading, no second table, nothing that steers a terminal."""
    evil = "# Free <script>x()</script>\x1b[31m\n![a](http://x/y.png) [bank](http://x) | b | `rm` ```\n---\n\u202eabc"
    fields = ("trainer", "dataset", "data_statement", "citation", "plans", "configuration")
    names = {"channel_names": (evil, "T1"), "versions": {evil: evil}, "metrics": {evil: 0.5}}
    card = card_of(weights(**dict.fromkeys(fields, evil), **names, licence="MIT"))
    plain = card_of(weights(metrics={"x": 0.5}, licence="MIT"))
    assert card.count("```") == plain.count("```") and "\x1b" not in card and "\u202e" not in card
    for line in card.splitlines():
        # Whatever is not escaped.
        rest = re.sub(r"\\[!-/:-@\[-`{-~]", "", line)
        assert "<" not in rest and "](" not in rest and rest.count("|") in (0, 3)
    assert [line for line in card.splitlines() if re.match("#|---", line)][2].startswith("# \\# Free \\<script")
    assert card.count("\n#") == plain.count("\n#") and "\n\\# Free" in card
