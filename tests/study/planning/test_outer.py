import json

import pytest
import tiny

from nnunet_uad.data.preprocess import CohortRequest, preprocess_cohort

SMALL = {"budgets": [1], "draws": 1}
TEST = f"{tiny.LESION[2]}|{tiny.LESION[3]}"


def named(**changes):
    """Changes of a study that names its test cases: no outer folds."""
    return {"folds": None, "test_cases": TEST, **SMALL, **changes}


def test_a_named_pool_becomes_one_outer_fold_behind_those_that_are_there(workplace):
    before = workplace.splits()
    layout = workplace.plan(**named(pool=list(tiny.LESION[:2]), budgets=[1, 2], draws=2))
    after = workplace.splits()
    assert after[: len(before)] == before
    pool = {"train": list(tiny.LESION[:2]), "val": list(tiny.LESION[2:4])}
    assert after[len(before)] == pool and layout.plan["outer"] == {str(len(before)): pool}
    assert [f["id"] for f in layout.plan["folds"]] == [f"pool_{b}_draw{d}" for b in (1, 2) for d in (0, 1)]
    for fold in layout.plan["folds"]:
        assert after[fold["index"]] == {"train": fold["train"], "val": pool["val"]}
    (pretraining,) = layout.pretrainings
    assert pretraining == "DAE_1epochs_2iters__pool"
    assert layout.pretrainings[pretraining]["fold"] == len(before)
    assert layout.needed(layout.cells["DAE/pool_1_draw0"]) == {"weights": pretraining}
    # The same again, and grown: nothing that was planned moves.
    assert workplace.plan(**named(pool=list(tiny.LESION[:2]), budgets=[1, 2], draws=2)).plan == layout.plan
    grown = workplace.plan(**named(pool=list(tiny.LESION[:2]), budgets=["2s", 1, 2], draws=3)).plan
    old = {f["id"]: f["index"] for f in layout.plan["folds"]}
    assert old.items() <= {f["id"]: f["index"] for f in grown["folds"]}.items()
    # Outer folds of another study are those of the dataset.
    other = workplace.plan("other", folds=["all"], budgets=[1], draws=1)
    assert set(other.plan["outer"]) == {"0"}


def test_what_is_drawn_does_not_depend_on_other_studies(workplace):
    changes = named(test_cases={"draw": 3, "by": "^[a-z]+"}, budgets=[1, "2s"], trainers={"a": "nnUNetTrainer"})
    first = workplace.plan("first", **changes).plan
    second = workplace.plan("second", **changes).plan
    assert list(first["outer"]) != list(second["outer"])
    assert list(first["outer"].values()) == list(second["outer"].values())
    content = [[{k: f[k] for k in ("id", "train", "val", "slices")} for f in p["folds"]] for p in (first, second)]
    assert content[0] == content[1]
    (split,) = first["outer"].values()
    assert len(split["val"]) == 3 and not set(split["val"]) & set(split["train"])


def test_stage_one_may_see_other_cases_but_never_those_that_are_tested(workplace):
    trainers = {
        "DAE": "nnUNetTrainerDAEPretrained",
        "DAE of all": {"trainer": "nnUNetTrainerDAEPretrained", "pretraining": {"cases": ".*"}},
    }
    layout = workplace.plan(**named(pool=f"{tiny.LESION[0]}|{tiny.LESION[1]}", trainers=trainers))
    splits = workplace.splits()
    seen = {name: set(splits[e["fold"]]["train"]) for name, e in layout.pretrainings.items()}
    every = {*tiny.HEALTHY, *tiny.LESION}
    assert list(seen) == ["DAE_1epochs_2iters__pool", "DAE_1epochs_2iters__pool_v2"]
    assert list(seen.values()) == [set(tiny.LESION[:2]), every - set(tiny.LESION[2:4])]
    # With outer folds, too.
    folds = workplace.plan("folds", **SMALL, pretraining={"epochs": 1, "cases": f"{tiny.LESION[0]}|{TEST}"})
    (entry,) = folds.pretrainings.values()
    assert workplace.splits()[entry["fold"]]["train"] == [tiny.LESION[0]]


def test_unlabelled_scans_of_another_dataset_join_the_pool(workplace):
    target = workplace.preprocessed / "Dataset993_Unlabelled"
    preprocess_cohort(
        CohortRequest([workplace.raw / tiny.DATASET], workplace.source, "nnUNetPlans", ["2d_tiny"], target)
    )
    data = target / "nnUNetPlans_2d_tiny"
    for path in data.glob(f"{tiny.HEALTHY[0]}*"):
        path.rename(path.with_name(path.name.replace(tiny.HEALTHY[0], "further")))
    pretraining = {"epochs": 1, "dataset": "Dataset993_Unlabelled"}
    layout = workplace.plan(**named(pool=list(tiny.LESION[:2]), pretraining=pretraining))
    (entry,) = layout.pretrainings.values()
    split = json.loads((target / "splits_final.json").read_text())[entry["fold"]]
    assert split == {"train": ["further", *tiny.LESION[:2]], "val": list(tiny.LESION[2:4])}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": [0]}, "folds and test_cases contradict each other"),
        ({"folds": ["all"]}, "folds and test_cases contradict each other"),
        ({"test_cases": None, "pool": ".*"}, "pool goes with test_cases"),
        ({"test_cases": "nobody_.*"}, "test_cases: no case matches 'nobody_.*'"),
        ({"test_cases": [tiny.LESION[2], "lesion_9"]}, "lesion_9 is none of the cases"),
        ({"test_cases": [tiny.LESION[2], tiny.LESION[2]]}, "lists lesion_2 twice"),
        ({"pool": ".*"}, "LEAKAGE: pool and test_cases both hold lesion_2, lesion_3"),
        ({"pool": [tiny.LESION[2]]}, "LEAKAGE: pool and test_cases both hold lesion_2"),
        ({"pretraining": {"epochs": 1, "cases": [tiny.LESION[2]]}}, "LEAKAGE: pretraining: cases names lesion_2"),
        ({"test_cases": "("}, "test_cases: matching is no regular expression"),
        ({"test_cases": {"by": "x"}}, "test_cases: expects a list of cases, a regular expression"),
        ({"test_cases": {"draw": 0}}, "test_cases: draw expects a number in"),
        ({"test_cases": {"draw": 2, "bye": "x"}}, "test_cases has no key 'bye'.*'by'"),
        ({"test_cases": ".*"}, "pool: none of its 0 cases is labelled"),
        (
            {"trainers": {"a": {"trainer": "nnUNetTrainerDAEPretrained", "pretraining": {"dataset": 1}}}},
            "a: pretraining: dataset is the study's, the same for all trainers",
        ),
        ({"budgets": [9]}, "9 cases are more than the 6 labelled training cases of the pool"),
    ],
)
def test_contradictions_are_refused_before_anything_is_written(workplace, changes, message):
    before = workplace.splits()
    with pytest.raises(ValueError, match=message):
        workplace.plan(**named(**changes))
    assert workplace.splits() == before and not (workplace.folder / "study" / "study.json").exists()
