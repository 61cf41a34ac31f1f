"""Changes of the raw files behind a preprocessed cohort are noticed, and what is removed leaves nothing behind."""

import pytest

from nnunet_uad.data.cohort import RawCase
from nnunet_uad.data.cohort_record import LABELS_FOLDER, CohortRecord, RawFiles


@pytest.fixture
def cohort(tmp_path):
    """Folder of a cohort of one labelled case that is finished, and the case."""
    for name in ("image", "label"):
        (tmp_path / name).write_text(name)
    case = RawCase("a", (str(tmp_path / "image"),), str(tmp_path / "label"))
    folder = tmp_path / "preprocessed"
    (folder / "2d").mkdir(parents=True)
    (folder / LABELS_FOLDER).mkdir()
    for path in ("2d/a.b2nd", "2d/a_seg.b2nd", "2d/a.pkl", f"{LABELS_FOLDER}/a.nii.gz"):
        (folder / path).write_text("")
    record = CohortRecord(folder, ["2d"], ".nii.gz")
    record.add("a", RawFiles.of(case))
    return folder, case


def again(folder):
    """The record as the next run reads it."""
    return CohortRecord(folder, ["2d"], ".nii.gz")


def test_a_cohort_that_is_as_it_was_made_is_left_alone(cohort):
    folder, case = cohort
    assert again(folder).holds("a", "2d") and again(folder).outdated([case]) == {}
    (folder / "2d" / "a.pkl").unlink()
    assert not again(folder).holds("a", "2d")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda case: [RawCase("a", case.images, None)], "no longer labelled, made again"),
        (lambda case: [], "no longer in the raw datasets, removed"),
        (lambda case: [RawCase("a", (case.label,), case.label)], "changed since, made again"),
    ],
)
def test_changes_are_named(cohort, change, reason):
    folder, case = cohort
    assert again(folder).outdated(change(case)) == {reason: ["a"]}


def test_labels_that_come_later_and_unknown_cases_are_named(cohort):
    folder, case = cohort
    record = again(folder)
    record.add("a", RawFiles.of(RawCase("a", case.images, None)))
    assert again(folder).outdated([case]) == {"labelled since, made again": ["a"]}
    (folder / "2d" / "b.b2nd").write_text("")
    unknown = RawCase("b", case.images, None)
    reasons = again(folder).outdated([RawCase("a", case.images, None), unknown])
    assert reasons == {"made of files that nobody noted, made again": ["b"]}


def test_what_is_removed_leaves_nothing_behind(cohort):
    folder, _ = cohort
    again(folder).remove(["a"])
    assert again(folder).present() == set()
    assert not [p for p in folder.rglob("a*") if p.is_file()]
