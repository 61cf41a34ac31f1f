import pytest
import studies
import tiny

from nnunet_uad.report.collect import Group, collect


def test_rows_become_matrices_of_trainings_and_cases():
    group = Group()
    for draw in (0, 1):
        for case, dice in (("a", 0.5), ("b", None if draw else 0.7)):
            group.add((0, draw), studies.row(case, dice))
    matrix = group.values["Dice"]
    assert matrix.trainings == ((0, 0), (0, 1)) and matrix.cases == ("a", "b")
    assert (
        matrix.values[0].tolist() == [0.5, 0.7] and matrix.values[1, 0] == 0.5 and matrix.mean == pytest.approx(1.7 / 3)
    )
    assert group.entries("Dice")[3] == ((0, 1), "b", None)
    # Counts are summed before they are divided: 4 of 8 lesions, 8 false findings in 4 scans.
    means = group.means()
    assert means["lesion_recall"] == 0.5 and means["false_positives_per_scan"] == 2
    assert group.counts["reliability"]["voxels"].tolist() == [360.0, *[4.0] * 10]


def test_rows_of_before_a_metric_was_added_lack_it():
    group = Group()
    row = studies.row("a", 0.5)
    del row["AP"]
    group.add((0, 0), row)
    assert group.entries("AP") == [((0, 0), "a", None)] and not group.values["AP"].values.size


def test_what_is_missing_is_listed(workplace):
    layout = workplace.plan(budgets=[1, 3])
    gone = next(i for i in layout.cells if i.startswith("DAE"))
    studies.finish(layout, leave=(gone,))
    results = collect(layout)
    assert [cell.identifier for cell in results.missing] == [gone] and gone not in results.trainings
    assert results.arms == ["scratch", "DAE"] and results.baseline == "scratch" and results.unit == "cases"
    assert results.amount("3") == 3 and [b.text for b in results.budgets] == ["1", "3"]
    assert results.seconds["train"] == 60 * (len(layout.cells) - 1) and results.seconds["pretrain"] > 0
    assert [b.text for b, _ in results.of(tiny.DATASET, "scratch")] == ["1", "3"]


def test_nothing_to_collect_is_refused(workplace):
    layout = workplace.plan()
    with pytest.raises(ValueError, match=r"No cell of the study in .* is finished yet: nnunet_uad study run"):
        collect(layout)
