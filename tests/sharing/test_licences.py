import pytest

from nnunet_uad.sharing.licences import licence_fields, licence_of


@pytest.mark.parametrize(
    ("given", "expected"),
    [("cc-by-4.0", "CC-BY-4.0"), ("apache-2.0 or mit", "Apache-2.0 OR MIT"), ("licenseref-ours", "LicenseRef-ours")],
)
def test_licences_are_spelt_as_spdx_does(given, expected):
    assert licence_of(given) == expected


@pytest.mark.parametrize("given", ["", "free", "CC BY 4.0", "CC-BY-5.0", "MIT OR", "x" * 5000])
def test_what_is_no_licence_is_refused(given):
    with pytest.raises(ValueError, match="expects an SPDX identifier .*CC-BY-4.0") as refusal:
        licence_of(given)
    assert len(str(refusal.value)) < 400


def test_the_hub_knows_some_by_name():
    assert licence_fields("Apache-2.0") == {"license": "apache-2.0"} and licence_fields("") == {}
    assert licence_fields("LicenseRef-ours") == {"license": "other", "license_name": "licenseref-ours"}
