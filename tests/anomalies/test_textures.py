import numpy as np

from nnunet_uad.anomalies.textures import PatchMemory, noise_texture


def test_the_memory_is_bounded_and_gives_other_patches():
    memory = PatchMemory()
    for value in range(40):
        memory.add(np.full((1, 4, 4), value, np.float32))
    assert len(memory.patches) == 16
    drawn = memory.draw(np.zeros((1, 4, 4), np.float32), np.random.RandomState(0))
    assert drawn.mean() > 20
    memory.add(np.zeros((2, 1024, 4096), np.float32))
    memory.add(np.zeros((2, 1024, 4096), np.float32))
    assert sum(p.nbytes for p in memory.patches) <= 2**26


def test_a_patch_never_meets_itself():
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    for seed in range(20):
        drawn = PatchMemory().draw(image, np.random.RandomState(seed))
        assert len(np.unique(np.round(drawn - image, 3))) > 1


def test_patches_of_another_shape_are_not_drawn():
    memory = PatchMemory()
    memory.add(np.full((1, 8, 8), 100, np.float32))
    assert memory.draw(np.zeros((1, 4, 4), np.float32), np.random.RandomState(0)).max() < 50


def test_noise_has_a_mean_and_an_amplitude_of_its_own_per_channel():
    texture = noise_texture((64, 64), 3, np.random.RandomState(0))
    assert texture.shape == (3, 64, 64) and texture.dtype == np.float32
    means, spreads = texture.mean((1, 2)), texture.std((1, 2))
    assert len(np.unique(np.round(means, 2))) == 3 and len(np.unique(np.round(spreads, 3))) == 3
    # One field of noise for all channels: lesions are at the same place in each.
    assert np.corrcoef(texture.reshape(3, -1))[0, 1] > 0.999
