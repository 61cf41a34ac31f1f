import pytest

from nnunet_uad.choosing.arms import Entry
from nnunet_uad.choosing.folds import InnerFolds
from nnunet_uad.choosing.rule import decide
from nnunet_uad.choosing.studies import Setting
from nnunet_uad.choosing.verdict import final_commands, page, verdict

SETTING = Setting("Dataset901_Tumour", "2d", "nnUNetPlans", "cuda", 0, InnerFolds((0, 1, 2), ("a", "b", "c"), 0))
DAE = Entry("nnUNetTrainerDAEPretrained")


def test_a_gain_above_nothing_is_used_with_the_commands_of_both_stages():
    found = verdict(SETTING, "DAE", DAE, decide([0.10, 0.12, 0.11], 1), 300)
    assert found.sentence.startswith("use DAE (gain +0.110 Dice over from scratch after 300 steps, 92 % interval [+0.0")
    assert found.commands == (
        'nnUNet_uad_settings="sampling=anywhere" nnUNetv2_train Dataset901_Tumour 2d all -tr nnUNetPretrainerDAE',
        "nnUNetv2_train Dataset901_Tumour 2d all -tr nnUNetTrainerDAEPretrained",
    )
    assert found.shorter == (
        'nnUNet_uad_settings="sampling=anywhere" nnUNetv2_train Dataset901_Tumour 2d all '
        "-tr nnUNetPretrainerDAE_10epochs_90iters",
        'nnUNet_uad_pretrained="$nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE_10epochs_90iters__nnUNetPlans__2d/'
        'fold_all/pretrained.safetensors" nnUNetv2_train Dataset901_Tumour 2d all '
        "-tr nnUNetTrainerDAEPretrained_10epochs_30iters",
    )


def test_too_few_labels_and_no_gain_are_told_apart():
    unclear = verdict(SETTING, "DAE", DAE, decide([0.3, 0.0, 0.1], 1), 300)
    assert "no pretraining is shown to pay here; 3 labelled cases are too few to tell" in unclear.sentence
    none = verdict(SETTING, "DAE", DAE, decide([-0.3, 0.0, 0.1], 1), 300)
    assert none.sentence.startswith(
        "train from scratch: no pretraining is shown to pay here (the only one that was tried, DAE: -0.067"
    )
    assert none.commands == ("nnUNetv2_train Dataset901_Tumour 2d all -tr nnUNetTrainerFromScratch",)


@pytest.mark.parametrize(("arms", "level"), [(1, "92 %"), (3, "97.3 %"), (8, "99 %")])
def test_the_interval_has_its_level_in_print(arms, level):
    found = verdict(SETTING, "DAE", DAE, decide([0.10, 0.12, 0.11], arms), 300)
    assert f", {level} interval [" in found.sentence


def test_files_of_weights_are_named_in_the_command():
    assert final_commands(SETTING, Entry("nnUNetTrainerMAEPretrained", "/a b/x.pth")) == [
        "nnUNet_uad_pretrained='/a b/x.pth' nnUNetv2_train Dataset901_Tumour 2d all -tr nnUNetTrainerMAEPretrained"
    ]


def test_short_commands_name_every_pretraining():
    both = final_commands(SETTING, Entry("nnUNetTrainerDAEPretrainedDiffusionResidual", "/x.pth"), 300)
    assert both[0].endswith("-tr nnUNetPretrainerDDPM_10epochs_90iters") and len(both) == 2
    assert both[1].startswith('nnUNet_uad_pretrained=/x.pth nnUNet_uad_restorer="$nnUNet_results/Dataset901_Tumour/')


def test_the_page_says_what_was_done():
    found = verdict(SETTING, "DAE", DAE, decide([0.10, 0.12, 0.11], 1), 300)
    text = page(
        found,
        [["1", "scratch", "300", "6", "0.500", ""], ["1", "DAE", "300", "6", "0.610", "+0.110"]],
        900,
        0.5,
        SETTING,
    )
    assert "**Use DAE (gain +0.110" in text and "| 1 | DAE | 300 | 6 | 0.610 | +0.110 |" in text
    assert (
        "3 labelled cases, 3 inner folds, 0 cases without labels; 0.25 of 0.5 hours" in text
        and found.commands[0] in text
    )
    assert all(f"\n{command}\n" in text for command in found.shorter)
