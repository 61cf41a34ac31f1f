import json
import shutil
import subprocess
import sys

import pytest
import tiny


def content(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_budgets_become_folds_behind_the_existing_ones(workplace):
    before = workplace.splits()
    layout = workplace.plan()
    folds = {f["id"]: f for f in layout.plan["folds"]}
    assert list(folds) == [f"fold0_{b}_draw{d}" for b in ("2s", "1", "3") for d in (0, 1)]
    splits = workplace.splits()
    assert splits[: len(before)] == before
    for fold in folds.values():
        assert fold["val"] == before[0]["val"]
        own = workplace.splits(fold["dataset"])[fold["index"]]
        assert own == {"train": fold["train"], "val": fold["val"]}
    for draw in (0, 1):
        one, three = (set(folds[f"fold0_{b}_draw{draw}"]["train"]) for b in ("1", "3"))
        assert len(one) == 1 and len(three) == 3 and one < three <= set(before[0]["train"])
        (case,) = one
        # The slices of the slice budget are of the case of the case budget.
        assert list(folds[f"fold0_2s_draw{draw}"]["slices"]) == [case]
        assert folds[f"fold0_1_draw{draw}"]["annotated_slices"] > 2
        assert layout.plan["volumes_mm3"][case] > 0
    assert len(layout.cells) == 12 and set(layout.pretrainings) == {"DAE_1epochs_2iters__fold0"}
    assert layout.needed(layout.cells["DAE/fold0_1_draw0"]) == {"weights": "DAE_1epochs_2iters__fold0"}
    assert layout.needed(layout.cells["scratch/fold0_1_draw0"]) == {}


def test_planning_again_changes_nothing(workplace):
    workplace.plan()
    before = content(workplace.folder)
    stamps = {p: p.stat().st_mtime_ns for p in before if p.name in ("study.json", "splits_final.json", "request.json")}
    assert len(stamps) == 4
    workplace.plan()
    assert content(workplace.folder) == before
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_a_study_may_grow_and_shrink(workplace):
    first = {f["id"]: f["index"] for f in workplace.plan(draws=1).plan["folds"]}
    grown = workplace.plan(draws=2, budgets=[1, 2, "2s", 3])
    indices = {f["id"]: (f["dataset"], f["index"]) for f in grown.plan["folds"]}
    assert all(indices[name][1] == index for name, index in first.items())
    assert len(set(indices.values())) == 8
    shrunk = workplace.plan(draws=1, budgets=[1])
    assert len(shrunk.plan["folds"]) == 1 and len(shrunk.plan["dropped"]["folds"]) == 7
    # What was dropped comes back to its old place.
    again = workplace.plan(draws=2, budgets=[1, 2, "2s", 3]).plan
    assert {f["id"]: (f["dataset"], f["index"]) for f in again["folds"]} == indices and not again["dropped"]["folds"]


def test_two_studies_share_a_dataset(workplace):
    first = workplace.plan("first", budgets=[1]).plan["folds"]
    second = workplace.plan("second", budgets=[1], seed=1, folds=["all"]).plan["folds"]
    assert [f["index"] for f in first] == [2, 3] and [f["index"] for f in second] == [4, 5]
    # all: folds of the dataset, not those that studies appended. (Folds 0 and 1 are tested on the same cases.)
    assert {f["outer"] for f in second} == {0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budgets": [99]}, "99 cases are more than the 5 labelled training cases of fold 0"),
        ({"budgets": ["500s"]}, "500 slices are more than .*slice_cases: 2"),
        ({"folds": [9]}, "there are the folds 0 to 1, not 9"),
        ({"configuration": "2d_huge"}, "have no configuration '2d_huge'; they have: .*2d_tiny"),
        ({"trainers": {"a": "nnUNetTrainerDEAPretrained"}}, "nnUNetTrainerDAEPretrained"),
        ({"trainers": {"a": "SomebodysTrainer"}}, "SomebodysTrainer"),
        ({"trainers": {"a": "nnUNetPretrainerDAE"}}, "only a study whose trainers are all pretrainers"),
        ({"trainers": {"a": "nnUNetTrainer"}, "budgets": None}, "budgets and trainers expect at least one entry each"),
        ({"trainers": {"a": "nnUNetPretrainerDEA"}, "budgets": None}, "nnUNetPretrainerDEA.*nnUNetPretrainerDAE"),
        ({"trainers": {"a": "nnUNetPretrainerDAE_5epochs"}, "budgets": None}, "say it with pretraining"),
        ({"trainers": {"a": "nnUNetTrainer_5epochs"}}, "say it with fine_tuning"),
        ({"test": [991]}, "the study's own dataset"),
        ({"test": ["Dataset123_No"]}, "Expected one dataset 'Dataset123_No'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(workplace, changes, message):
    before = workplace.splits()
    with pytest.raises(ValueError, match=message):
        workplace.plan(**changes)
    assert workplace.splits() == before and not (workplace.folder / "study" / "study.json").exists()


def test_a_changed_dataset_is_refused(workplace):
    workplace.plan()
    data = workplace.source / "nnUNetPlans_2d_tiny"
    shutil.copy(data / f"{tiny.LESION[0]}_seg.b2nd", data / f"{tiny.LESION[1]}_seg.b2nd")
    with pytest.raises(ValueError, match="Dataset991_Tiny changed since the study was planned"):
        workplace.plan()


def test_plans_may_carry_settings_which_then_stay(workplace):
    """The derived dataset of slices gets them, too; other settings afterwards are another study."""
    from nnunet_uad.cli.main import main

    words = ["settings", "-d", tiny.NUMBER, "--name", "nnUNetPlans_strong", "--overwrite"]
    assert main([*words, "noise_std=[2,4]"]) == 0
    layout = workplace.plan(plans="nnUNetPlans_strong", budgets=["2s"], draws=1)
    slices = workplace.preprocessed / layout.plan["slice_dataset"] / "nnUNetPlans_strong.json"
    assert json.loads(slices.read_text())["nnunet_uad"]["settings"] == {"noise_std": [2, 4]}
    workplace.plan(plans="nnUNetPlans_strong", budgets=["2s"], draws=1)
    assert main([*words, "noise_std=[3,4]"]) == 0
    with pytest.raises(ValueError, match="settings in the plans"):
        workplace.plan(plans="nnUNetPlans_strong", budgets=["2s"], draws=1)


def test_planning_cases_does_not_load_pytorch(workplace):
    """10,000 cells are planned in little memory (benchmarks/study_scale.py), of which PyTorch alone would take most."""
    path = workplace.write(budgets=[1], draws=1)
    script = (
        "import sys\nfrom nnunet_uad.cli.main import main\n"
        f"assert main(['study', 'plan', {str(path)!r}]) == 0\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_folders_of_earlier_versions_go_on(workplace):
    """Without what newer versions write: entries, a cut, named cases, seconds."""
    layout = workplace.plan()
    plan, request = (layout.folder / name for name in ("study.json", "request.json"))
    old = {key: value for key, value in json.loads(plan.read_text()).items() if key not in ("entries", "cut")}
    plan.write_text(json.dumps(old))
    asked = json.loads(request.read_text())
    for key in ("test_cases", "pool", "budget_hours", "seconds"):
        del asked["study"][key]
    del asked["study"]["pretraining"]["cases"]
    for arm in asked["study"]["trainers"].values():
        del arm["seconds"], arm["screen"]
    request.write_text(json.dumps(asked))
    before = workplace.splits()
    read = type(layout)(layout.folder)
    assert list(read.cells) == list(layout.cells) and read.plan == old and not read.map_cells
    again = workplace.plan()
    assert {**again.plan, "entries": [], "cut": None} == {**old, "entries": [], "cut": None}
    assert workplace.splits() == before
