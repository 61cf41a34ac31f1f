from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.common import trainer_names as names
from nnunet_uad.plugin import nnunet_uad_trainers as plugin


@given(st.sampled_from(plugin.__all__), st.integers(1, 10**5), st.none() | st.integers(1, 10**4))
def test_names_split_and_join(base, epochs, iters):
    name = f"{base}_{epochs}epochs" + (f"_{iters}iters" if iters else "")
    assert names.split_variant(name) == (base, epochs, iters)
    assert names.base_name(name) + names.length_suffix(name) == name
