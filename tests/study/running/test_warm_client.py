import os

import pytest

from nnunet_uad.study.running.warm_client import run_warm
from nnunet_uad.study.running.warm_names import ADDRESS_VARIABLE, JOB


@pytest.mark.parametrize("address", ["", "/nowhere/warm"])
def test_without_a_warm_process_nothing_is_run(monkeypatch, address):
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    assert run_warm(JOB, ["job"], os.environ) is None
