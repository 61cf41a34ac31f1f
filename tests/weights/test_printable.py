from nnunet_uad.weights.printable import printable


def test_what_steers_a_terminal_is_not_shown():
    assert printable("\x1b]0;x\x07a\r\u202eb\n") == "]0;x a  b"
    assert printable("abc", 3) == "abc" and printable("abcd", 3) == "abc…" and len(printable(9999 * "z")) == 9999
