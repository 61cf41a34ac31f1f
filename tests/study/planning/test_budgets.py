from nnunet_uad.study.planning.budgets import case_order
from nnunet_uad.study.planning.labels import Annotation


def test_the_first_case_has_foreground():
    volumes = {f"c{i}": Annotation(max(0.0, i - 6.0), (), (), "") for i in range(9)}
    for seed in map(str, range(20)):
        order = case_order(list(volumes), volumes, seed)
        assert volumes[order[0]].volume > 0 and sorted(order) == sorted(volumes)
    nothing = {f"c{i}": Annotation(0.0, (), (), "") for i in range(3)}
    assert sorted(case_order(list(nothing), nothing, "0")) == sorted(nothing)
