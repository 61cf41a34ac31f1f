import dicoms
import pytest

from nnunet_uad.dicom.headers import headers_below
from nnunet_uad.dicom.rules import chosen_series, rule_of
from nnunet_uad.dicom.series import studies_of


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of four series."""
    folder = tmp_path_factory.mktemp("study")
    kinds = {"T2 FLAIR ax": 3, "t2 tse": 4, "T1 mprage": 5, "T1 post": 6}
    for name, number in kinds.items():
        dicoms.write_series(folder / name, dicoms.voxels(number), description=name, SeriesNumber=number)
    localiser = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesNumber": 1}
    dicoms.write_series(folder / "loc", dicoms.voxels(9), description="flair loc", **localiser)
    return studies_of(headers_below(folder, print), folder)[0]


def names(study, *rules, channels):
    """Descriptions of the chosen series, and what was passed over."""
    chosen, passed = chosen_series(study, rule_of(rules, channels))
    return [series.description for series in chosen], passed


def test_patterns_exclusions_and_numbers_choose(study):
    chosen, passed = names(study, "flair=*FLAIR*", "T2=*t2*", "T2!=*flair*", "T1=#5", channels=["FLAIR", "T2", "T1"])
    assert chosen == ["T2 FLAIR ax", "t2 tse", "T1 mprage"]
    assert len(passed) == 1 and "flair loc" in passed[0] and "no: a localiser was passed over for FLAIR" in passed[0]
    assert names(study, "T2=t2 tse", "T2=other", channels=["T2"])[0] == ["t2 tse"]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("T1=*t1*", "found 2 series, 2 of them a volume"),
        ("T1=*swi*", "found no series"),
        ("T1=* loc", "found 1 series, 0"),
    ],
)
def test_what_is_missing_or_not_one_is_refused_with_what_there_is(study, rule, found):
    with pytest.raises(ValueError, match=found) as refused:
        names(study, rule, channels=["T1"])
    assert all(text in str(refused.value) for text in ("#5 'T1 mprage'", "#6 'T1 post'", "no: a localiser"))


def test_one_series_is_not_two_channels(study):
    with pytest.raises(ValueError, match="one series is meant by two channels"):
        names(study, "FLAIR=*ax*", "T2=*flair ax*", channels=["FLAIR", "T2"])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["FLAIR"], "--series expects CHANNEL=PATTERN"),
        (["T2=*t2*"], "names the channel 'T2'; the channels are FLAIR"),
        (["FLAIR!=*t2*"], "Nothing says which series FLAIR is"),
        ([], "--list shows them"),
    ],
)
def test_rules_are_checked(rules, message):
    with pytest.raises(ValueError, match=message):
        rule_of(rules, ["FLAIR"])
