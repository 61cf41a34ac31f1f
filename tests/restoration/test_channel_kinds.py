import subprocess
import sys

import pytest

from nnunet_uad.restoration.channel_kinds import check_channel_choice


@pytest.mark.parametrize(
    ("kinds", "form", "said"),
    [
        (["signed", "squared"], "channels", "some of signed, absolute, reconstruction, .* found 'signed,squared'"),
        (["signed", "signed"], "channels", "each once"),
        ([], "channels", "some of signed, absolute, reconstruction, .* found ''"),
        # A score is not a kind that users may choose: it belongs to the …Score trainers.
        (["score"], "channels", "some of signed, absolute, reconstruction, .* found 'score'"),
        (["signed"], "triplet", "channels or siamese, found 'triplet'"),
        (["absolute"], "siamese", "signed residual"),
        (["signed", "reconstruction"], "siamese", "signed residual"),
    ],
)
def test_bad_choices(kinds, form, said):
    with pytest.raises(ValueError, match=said):
        check_channel_choice(kinds, form)


@pytest.mark.parametrize(
    ("kinds", "form"), [(["signed"], "siamese"), (["reconstruction", "signed", "absolute"], "channels")]
)
def test_possible_choices_pass_in_any_order(kinds, form):
    check_channel_choice(kinds, form)


def test_the_names_load_nothing_heavy():
    """The command line's help lists them before PyTorch is needed."""
    check = "import sys, nnunet_uad.restoration.channel_kinds as k; sys.exit('torch' in sys.modules or k.FORMS == ())"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
