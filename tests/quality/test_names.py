from nnunet_uad.quality import names


def test_the_exit_status_is_none_of_the_others():
    assert names.UNFIT_STATUS not in (0, 1, 2, 141) and names.DEFAULT_RATE in names.RATE
    assert names.VERDICTS == ("ok", "unusual", "unfit")
