import pytest

from nnunet_uad.anomalies.bank_settings import LesionBankSection


@pytest.mark.parametrize(
    ("hosts", "share", "expected"),
    [("training", 0.4, (0, 0.4)), ("unlabelled", 0.4, (0.4, 0)), ("both", 0.4, (0.2, 0.25)), ("both", 1.0, (0.5, 1.0))],
)
def test_the_share_of_samples_with_a_lesion_is_the_one_that_was_set(hosts, share, expected):
    unlabelled, annotated = LesionBankSection(bank_hosts=hosts, bank_share=share).shares
    assert (unlabelled, annotated) == pytest.approx(expected)
    assert unlabelled + (1 - unlabelled) * annotated == pytest.approx(share)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("bank_hosts", "all", "expects one of training, unlabelled, both, found 'all'"),
        ("bank_blend", "alpha", "expects one of poisson, soft, cut"),
        ("bank_unlabelled", "ill", "expects one of unknown, healthy"),
        ("bank_share", 0.0, r"a number in \(0, 1\]"),
        ("bank_scale", (2.0, 1.0), "LOW <= HIGH"),
        ("bank_scale", (0.0, 1.0), r"in \[0.1, 10\]"),
    ],
)
def test_what_a_bank_cannot_be_is_refused(key, value, words):
    with pytest.raises(ValueError, match=f"{key}.*{words}"):
        LesionBankSection(**{key: value})
