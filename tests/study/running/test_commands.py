import shlex

from nnunet_uad.common.commands import executable
from nnunet_uad.study.running.commands import pretrained_file, pretraining_command, training_command


def test_commands_are_nnunets_own(workplace, monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", "/others")
    layout = workplace.plan(budgets=["2s", 1], draws=1, seed=7)
    (identifier,) = layout.pretrainings
    pretraining = pretraining_command(layout, identifier)
    words = pretraining.words
    assert words[0] == executable("nnUNetv2_train") and words[1:4] == ("Dataset991_Tiny", "2d_tiny", "0")
    assert words[4:] == ("-tr", "nnUNetPretrainerDAE_1epochs_2iters", "-p", "nnUNetPlans", "-device", "cpu")
    assert pretraining.environment["nnUNet_uad_settings"] == "sampling=anywhere seed=7 mirroring=false"
    assert pretraining.environment["nnUNet_extTrainer"].endswith("plugin:/others")
    assert pretraining.environment["nnUNet_n_proc_DA"] == "0" and pretraining.environment["nnUNet_def_n_proc"] == "1"
    cell = layout.cells["DAE/fold0_1_draw0"]
    training = training_command(layout, cell)
    assert training.words[1:4] == ("Dataset991_Tiny", "2d_tiny", str(cell.fold["index"]))
    assert training.environment["nnUNet_uad_pretrained"] == str(pretrained_file(layout, identifier))
    # Who repeats a pretraining by hand gets nnU-Net's validation, a cell's test cases are predicted by the next job.
    assert training.environment["nnUNet_uad_validation"] == "no" != pretraining.environment.get("nnUNet_uad_validation")
    assert training.environment["nnUNet_results"] == str(layout.folder / "models" / "DAE")
    scratch = training_command(layout, layout.cells["scratch/fold0_2s_draw0"])
    # Not even a variable of the user's own may lend weights to the baseline.
    assert scratch.environment["nnUNet_uad_pretrained"] == "" == scratch.environment["nnUNet_uad_restorer"]
    assert scratch.words[1] == layout.plan["slice_dataset"]
    # The pool of a budget, in slices too, are the cases of the outer fold.
    assert scratch.environment["nnUNet_uad_pool"] == training.environment["nnUNet_uad_pool"] == "Dataset991_Tiny/0"
    assert pretraining.environment["nnUNet_uad_pool"] == ""
    assert shlex.split(str(training))[-len(training.words) :] == list(training.words)
