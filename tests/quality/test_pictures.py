import base64

import scans

from nnunet_uad.quality.pictures import scan_picture


def test_a_picture_is_a_png_inside_the_page(reference):
    picture = scan_picture(scans.scan(0), scans.CHANNELS, reference.mean)
    assert base64.b64decode(picture.removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"
