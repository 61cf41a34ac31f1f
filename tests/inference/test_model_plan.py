import pickle

import numpy as np


def test_it_knows_channels_files_and_axes(model):
    assert model.channel_names == ("FLAIR", "T1") and model.file_ending == ".nii.gz" and model.axes == 2


def test_spacing_of_a_2d_plan_keeps_the_distance_of_slices(model):
    properties = {"spacing": [7.0, 1.0, 1.5], "shape_after_cropping_and_before_resampling": (9, 20, 20)}
    assert model.spacing_of(properties) == (7.0, 2.0, 2.0)
    natural = {"spacing": [999, 1, 1], "shape_after_cropping_and_before_resampling": (1, 20, 20)}
    assert model.spacing_of(natural) == (1.0, 2.0, 2.0)


def test_a_copy_that_went_to_a_worker_process_brings_volumes_back_just_as_well(model):
    properties = {
        "spacing": [3.0, 2.0, 2.0],
        "shape_before_cropping": (4, 10, 10),
        "shape_after_cropping_and_before_resampling": (4, 8, 8),
        "bbox_used_for_cropping": [[0, 4], [1, 9], [2, 10]],
    }
    volume = np.random.default_rng(0).standard_normal((2, 4, 8, 8)).astype(np.float32)
    copy = pickle.loads(pickle.dumps(model))
    for plan in (model, copy):
        back = plan.original_geometry(volume, properties)
        assert back.shape == (2, 4, 10, 10) and np.array_equal(back[:, :, 1:9, 2:10], volume)
        assert not back[:, :, 0].any() and not back[:, :, :, :2].any()
