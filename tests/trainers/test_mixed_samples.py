from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.pseudo2d import Convert2DTo3DTransform, Convert3DTo2DTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform

from nnunet_uad.trainers.mixed_samples import with_transform


def test_a_transform_follows_the_last_of_the_kinds():
    first, second, third = Convert3DTo2DTransform(), Convert2DTo3DTransform(), RemoveLabelTansform(-1, 0)
    stock, added = ComposeTransforms([first, second, third]), RemoveLabelTansform(5, 0)
    kinds = (Convert3DTo2DTransform, Convert2DTo3DTransform)
    assert with_transform(stock, added, *kinds).transforms == [first, second, added, third]
    assert with_transform(stock, added, RemoveLabelTansform).transforms == [first, second, third, added]
    assert stock.transforms == [first, second, third]
