import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from nnunet_uad.metrics.anomaly import MaskScores, RankingScores, mean_over_cases, paired_difference


@pytest.fixture
def cases():
    rng = np.random.default_rng(0)
    made = {}
    for k in range(4):
        labels = np.zeros((6, 30, 30), bool)
        labels[2:4, 5 : 10 + 2 * k, 5:12] = True
        made[f"c{k}"] = ((rng.standard_normal(labels.shape) + 2 * labels).astype(np.float32), labels)
    return made


def test_pooled_and_per_case_values(cases):
    ranking = RankingScores()
    for name, (scores, labels) in cases.items():
        ranking.add(name, scores, labels)
    scores, labels = (np.concatenate([c[k].ravel() for c in cases.values()]) for k in (0, 1))
    pooled = ranking.pooled_scores()
    assert pooled["AP"] == pytest.approx(average_precision_score(labels, scores), abs=1e-3)
    assert pooled["AUROC"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-3)
    for name, (s, y) in cases.items():
        assert ranking.cases[name]["AP"] == pytest.approx(average_precision_score(y.ravel(), s.ravel()), abs=1e-3)
    intervals = ranking.pooled_intervals()
    for name in ("AP", "AUROC", "best_dice_oracle"):
        low, high = intervals[name]
        assert low - 0.01 <= pooled[name] <= high + 0.01 and low < high
    means = mean_over_cases(ranking.cases)
    assert means["AP"]["cases"] == 4 and means["AP"]["interval_95"][0] < means["AP"]["value"]


def test_the_interval_of_two_cases_spans_their_own_values():
    """Also for ranks close to 1 and few lesion voxels, where coarse bins would tie what matters."""
    from nnunet_uad.metrics.baseline import equalised_intensity

    ranking, own = RankingScores(), []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        labels = np.zeros(400_000, bool)
        labels[:60] = True
        scores = equalised_intensity(rng.standard_normal(400_000) + (4 - seed) * labels, np.ones(400_000, bool))
        ranking.add(str(seed), scores, labels)
        own.append(average_precision_score(labels, scores))
    low, high = ranking.pooled_intervals()["AP"]
    assert low == pytest.approx(min(own), abs=0.01) and high == pytest.approx(max(own), abs=0.01)


def test_ignored_voxels_do_not_count(cases):
    scores, labels = cases["c0"]
    valid = np.ones_like(labels)
    valid[:, :, 15:] = False
    ignoring, cut = RankingScores(), RankingScores()
    ignoring.add("a", scores, labels, valid)
    cut.add("a", scores[:, :, :15], labels[:, :, :15])
    assert ignoring.pooled_scores() == pytest.approx(cut.pooled_scores(), rel=1e-12, nan_ok=True)
    first, second = MaskScores(), MaskScores()
    first.add("a", scores > 1, labels, valid)
    second.add("a", scores[:, :, :15] > 1, labels[:, :, :15])
    assert first.pooled_scores() == second.pooled_scores()


def test_masks(cases):
    masks = MaskScores()
    for name, (scores, labels) in cases.items():
        masks.add(name, scores >= 1, labels)
    scores, labels = (np.concatenate([c[k].ravel() for c in cases.values()]) for k in (0, 1))
    chosen = scores >= 1
    pooled = masks.pooled_scores()
    assert pooled["Dice"] == pytest.approx(2 * (chosen & labels).sum() / (chosen.sum() + labels.sum()))
    assert pooled["FPR"] == pytest.approx((chosen & ~labels).sum() / (~labels).sum())
    low, high = masks.pooled_intervals()["Dice"]
    assert low <= pooled["Dice"] <= high


def test_a_healthy_case_counts_for_false_positives_only(cases):
    ranking, masks = RankingScores(), MaskScores()
    scores, _ = cases["c0"]
    ranking.add("healthy", scores, np.zeros(scores.shape, bool))
    masks.add("healthy", scores >= 1, np.zeros(scores.shape, bool))
    assert np.isnan(ranking.cases["healthy"]["AP"]) and np.isnan(masks.cases["healthy"]["Dice"])
    assert masks.cases["healthy"]["FPR"] > 0
    assert "AP" not in mean_over_cases(ranking.cases)


def test_paired_differences_are_of_the_cases_that_both_have():
    nan = float("nan")
    own = {"a": 0.9, "b": 0.5, "c": nan, "d": 0.4, "only": 1.0}
    found = paired_difference(own, {"a": 0.6, "b": 0.6, "c": 0.2, "d": 0.1})
    assert found["value"] == pytest.approx(0.5 / 3) and found["cases"] == 3
    assert found["share_better"] == pytest.approx(2 / 3)
    low, high = found["interval_95"]
    assert -0.11 < low < found["value"] < high < 0.31
    assert paired_difference({"a": nan}, {"a": 0.1}) is None
    assert paired_difference({"a": 0.5}, {"a": 0.25})["interval_95"] is None
