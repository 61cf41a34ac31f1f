import dataclasses
import pickle

import numpy as np

from nnunet_uad.inference.case import ScoredCase


def test_a_case_travels_to_the_process_that_writes_it():
    """Cases are handed to spawned workers: what arrives is what was sent, the absent parts included."""
    volume = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    reconstructed = ("a", volume, None, volume[0] > 0, {"spacing": [3, 1, 1]}, volume[0])
    case = ScoredCase(*reconstructed, score=volume[1], spacing=(3.0, 1.0, 1.0))
    received = pickle.loads(pickle.dumps(case))
    for field in dataclasses.fields(case):
        sent, arrived = getattr(case, field.name), getattr(received, field.name)
        assert np.array_equal(sent, arrived) if isinstance(sent, np.ndarray) else sent == arrived, field.name
