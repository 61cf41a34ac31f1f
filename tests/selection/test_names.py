from nnunet_uad.selection import names


def test_defaults_are_within_their_bounds():
    assert names.DEFAULT_COUNT in names.COUNT and names.DEFAULT_WEIGHT in names.WEIGHT
    assert len({names.TABLE, names.RECORD, names.DATASET_FILE, names.LABELS, names.MONTAGES, names.CASES}) == 6
