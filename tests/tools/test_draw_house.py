"""The drawing of the house is that of its floors."""

from xml.etree import ElementTree

from draw_house import PICTURE, house, main, rows, says
from floors import FLOORS, ROOT, WINGS


def test_the_drawing_is_up_to_date():
    assert PICTURE.read_text(encoding="utf-8") == house(), "draw it again: python tools/draw_house.py"


def test_every_floor_is_drawn_from_the_roof_to_the_ground():
    names = [name for row in rows() for name in row]
    wings = [name for name in reversed(FLOORS) if name not in WINGS and name != "__main__"]
    assert [name for name in names if name not in WINGS] == wings and set(names) == {*FLOORS} - {"__main__"}
    texts = [element.text for element in ElementTree.fromstring(house()).iter("{http://www.w3.org/2000/svg}text")]
    assert [t for t in texts if t in names] == names


def test_packages_say_something_of_themselves():
    assert says("methods").startswith("All methods") and all(says(n) for n in FLOORS)
    # As wide as the drawing, in its letters.
    assert not [n for n in FLOORS if n not in WINGS and len(says(n)) > 125]


def test_the_page_shows_it(capsys, monkeypatch, tmp_path):
    assert f"]({PICTURE.name})" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    monkeypatch.setattr("draw_house.PICTURE", tmp_path / "house.svg")
    assert main() == 0 and (tmp_path / "house.svg").read_text(encoding="utf-8") == house()
