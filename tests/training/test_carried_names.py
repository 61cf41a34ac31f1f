import pytest

from nnunet_uad.methods import trainer_class
from nnunet_uad.training.carried_names import refuse_unknown_names

TUNED = trainer_class("nnUNetTrainerFromScratch").settings_class


def plans(**settings):
    return {"plans_name": "nnUNetPlans_strong", "nnunet_uad": {"settings": settings}}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "noise_sdt",
            [2, 4],
            "plans nnUNetPlans_strong: no trainer has a setting 'noise_sdt'. Did you mean 'noise_std'",
        ),
        ("nnUNetPretrainerDEA", {"seed": 1}, "no trainer 'nnUNetPretrainerDEA'. Did you mean nnUNetPretrainerDAE"),
        ("nnUNetPretrainerDAE_5epochs", {"seed": 1}, "hold for every length and stand below 'nnUNetPretrainerDAE'"),
    ],
)
def test_misspelt_names_are_refused(key, value, message):
    with pytest.raises(ValueError, match=message):
        refuse_unknown_names(TUNED, plans(**{key: value}))


def test_what_another_trainer_or_another_package_takes_is_allowed():
    refuse_unknown_names(
        TUNED, plans(noise_std=[2, 4], nnUNetPretrainerDAE={"seed": 1}, nnUNetOfAnotherPackage={"a": 1})
    )
    refuse_unknown_names(TUNED, {"plans_name": "nnUNetPlans"})
