import numpy as np
import torch

from nnunet_uad.pretrain.lesions import LESION_SETTINGS, LesionSection, lesions_in_images


def test_lesions_are_inside_the_foreground_and_the_segmentation_stays_as_it_is():
    np.random.seed(0)
    transform = lesions_in_images(LesionSection(anomaly_probability=1.0), (1.0, 1.0), ["FLAIR", "T1c"])
    image = torch.from_numpy(np.random.standard_normal((2, 64, 64)).astype(np.float32))
    foreground = torch.zeros(1, 64, 64, dtype=torch.int16)
    foreground[:, 8:56, 8:56] = 1
    changed = 0
    for _ in range(10):
        made = transform(image=image.clone(), segmentation=foreground.clone())
        assert torch.equal(made["segmentation"], foreground)
        difference = made["image"] != image
        assert not difference[:, foreground[0] == 0].any()
        changed += int(difference.any())
    assert changed >= 8


def test_the_settings_are_those_of_anomalies_with_other_defaults():
    assert "anomaly_size_mm" in LESION_SETTINGS and "smoothing_mm" not in LESION_SETTINGS
    assert LesionSection().anomaly_kinds == ["tissue"]
