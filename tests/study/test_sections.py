import pytest

from nnunet_uad.study.sections import EPOCHS, ITERATIONS, Length, Pretraining


def test_the_length_is_the_end_of_a_name():
    assert Length(5, 2).suffix == "_5epochs_2iters" and Length().suffix == "" and Pretraining(5).suffix == "_5epochs"
    assert Length(5, 2).steps == 10 and Length(5).steps == 5 * ITERATIONS and Length().steps == EPOCHS * ITERATIONS
    with pytest.raises(ValueError, match="say how many epochs"):
        Length(iterations=3)


def test_a_pretraining_looks_at_no_label_unless_told():
    assert Pretraining().settings == "sampling=anywhere" and Length().settings == ""
