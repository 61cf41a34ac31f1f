from types import SimpleNamespace

import numpy as np
import pytest

from nnunet_uad.selection import models
from nnunet_uad.selection.encoder import Moments
from nnunet_uad.selection.models import NextModels, Seen


def test_folds_that_disagree():
    one, other = np.zeros((2, 4), int), np.zeros((2, 4), int)
    one[0, :2] = other[0, 1:3] = 1
    case, slices = Seen(None, Moments.nothing(4, 1), [one, other]).agreement()
    assert case == 0.5 and slices.tolist() == [0.5, 0.5, 1, 1]
    case, slices = Seen(None, Moments.nothing(4, 1), [one]).agreement()
    assert np.isnan(case) and np.isnan(slices).all()


def test_a_pretrainer_without_encoder_is_refused(monkeypatch):
    restorer = SimpleNamespace(networks=[SimpleNamespace()])
    with pytest.raises(ValueError, match="no encoder that sees the whole image"):
        NextModels.load(SimpleNamespace(load=lambda: restorer))


def test_an_image_is_prepared_once_for_one_model(monkeypatch):
    monkeypatch.setattr(models, "prepare", lambda files, plan: (files, plan))
    both = models.prepare_both(models.Plans("plan", "plan"))
    assert both(["a"]) == ((["a"], "plan"), (["a"], "plan"))


@pytest.mark.slow
def test_both_models_look(place):
    loaded = NextModels.load(place.request(segmenter=place.segmenter))
    assert len(loaded.predictors) == 2 and loaded.plans.shared
    images = sorted(map(str, (place.raw / "imagesTr").glob("lesion_1_*")))
    known, for_map = models.prepare_both(loaded.plans)(images)
    digest, seen = loaded.look("lesion_1", (known, for_map))
    assert len(digest) == 64 and len(seen.segmentations) == 2 and seen.case.reconstruction is not None
    assert seen.segmentations[0].shape == seen.case.foreground.shape
    assert 0 <= seen.agreement()[0] < 1
    proposal = loaded.proposal(known)
    assert proposal.shape == tuple(known[2]["shape_before_cropping"]) and proposal.max() <= 2
