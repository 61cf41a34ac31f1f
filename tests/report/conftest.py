"""A finished study for the tests of its report."""

import pytest
import studies


@pytest.fixture
def finished(workplace: studies.Workplace) -> studies.Workplace:
    """A workplace whose study ``study`` is finished: two arms, three budgets, two draws, two test cases."""
    studies.finish(workplace.plan())
    return workplace
