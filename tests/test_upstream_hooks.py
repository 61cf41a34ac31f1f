"""What we lean on in nnU-Net. When an update breaks one of these, the name of the test says which hook."""

import inspect

import numpy as np
import torch
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.logging.nnunet_logger import MetaLogger
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_trainer_constructor_arguments():
    assert parameters(nnUNetTrainer.__init__) == ["self", "plans", "configuration", "fold", "dataset_json", "device"]


def test_the_logger_serves_further_loggers():
    """Curves for TensorBoard and MLflow are collected by one of them, until the epoch's last value came."""
    source = inspect.getsource(MetaLogger)
    for call in ("logger.update_config(config)", "logger.log(key, value, step)", "logger.log_summary(key, value)"):
        assert "for logger in self.loggers:\n" in source and call in source
    assert "logger_config_hparas" in inspect.getsource(nnUNetTrainer.initialize)
    assert 'self.logger.update_config({"hparas"' in inspect.getsource(nnUNetTrainer.initialize)
    assert "self.logger.log('epoch_start_timestamps'" in inspect.getsource(nnUNetTrainer.on_epoch_start)
    source = inspect.getsource(nnUNetTrainer.on_epoch_end)
    assert source.index("self.logger.log('epoch_end_timestamps'") < source.index("self.current_epoch += 1")
    # The epoch that the logger is told of ends a training one below the number of epochs.
    source = inspect.getsource(nnUNetTrainer.on_train_end)
    assert source.index("self.current_epoch -= 1") < source.index("self.current_epoch += 1")


def test_network_builder_is_called_on_the_instance_in_training_and_on_the_class_in_prediction():
    """The pretrainer's refusal to predict rests on this."""
    assert "plans_manager" in parameters(nnUNetTrainer.build_network_architecture)
    assert "self.build_network_architecture(" in inspect.getsource(nnUNetTrainer.initialize)
    source = inspect.getsource(nnUNetPredictor.initialize_from_trained_model_folder)
    assert "trainer_class.build_network_architecture(" in source


def test_optimisers_are_configured_before_ddp_wraps_the_network():
    source = inspect.getsource(nnUNetTrainer.initialize)
    assert source.index("self.configure_optimizers()") < source.index("self.network = DDP(")


def test_transform_builders_keep_their_arguments_and_return_a_list_inside():
    from nnunet_uad.pretrain.base import nnUNetPretrainer

    for name in ("get_training_transforms", "get_validation_transforms"):
        ours = [p for p in parameters(getattr(nnUNetPretrainer, name)) if p != "self"]
        assert list(parameters(getattr(nnUNetTrainer, name))) == ours
    stock = nnUNetTrainer.get_validation_transforms(None)
    assert isinstance(stock, ComposeTransforms) and isinstance(stock.transforms, list)


def test_spatial_padding_of_labels_is_minus_one():
    """The foreground mask excludes what augmentation pads because nnU-Net pads labels with −1."""
    pipeline = nnUNetTrainer.get_training_transforms((8, 8), (0, 0), None, (), False, [True])
    spatial = pipeline.transforms[0]
    assert spatial.padding_value_seg == -1 and spatial.border_mode_seg == "constant"


def test_loader_centres_patches_on_class_locations():
    class Manager:
        all_labels, has_ignore_label = [0, 1], False

    class Data:
        identifiers = ["a"]  # noqa: RUF012

    loader = nnUNetDataLoader(Data(), 1, (4, 4, 4), (4, 4, 4), Manager(), oversample_foreground_percent=1.0)
    lower, upper = loader.get_bbox(np.array((20, 20, 20)), True, {1: np.array([[0, 10, 11, 12]])})
    assert [int(v) for v in lower] == [8, 9, 10] and [int(v) for v in upper] == [12, 13, 14]
    assert loader.get_do_oversample(0)


def test_predictor_asks_only_the_label_manager_for_the_number_of_outputs():
    source = inspect.getsource(nnUNetPredictor._internal_predict_sliding_window_return_logits)
    assert "self.label_manager.num_segmentation_heads" in source
    # Restoring overrides this method with sums of its own.
    names = parameters(nnUNetPredictor._internal_predict_sliding_window_return_logits)
    assert names == ["self", "data", "slicers", "do_on_device"]
    assert "self._internal_maybe_mirror_and_predict(workon)" in source
    assert "dtype" in parameters(compute_gaussian)
    assert parameters(nnUNetPredictor.manual_initialization)[1:] == [
        "network",
        "plans_manager",
        "configuration_manager",
        "parameters",
        "dataset_json",
        "trainer_name",
        "inference_allowed_mirroring_axes",
    ]


def test_networks_declare_their_first_convolution():
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    network = PlainConvUNet(2, 2, (4, 8), torch.nn.Conv2d, 3, (1, 2), 1, 2, 1, True, torch.nn.InstanceNorm2d)
    names = {name for name, _ in network.named_parameters()}
    assert any(f"{key}.weight" in names for key in network.keys_to_in_proj)


def test_checkpoint_is_written_by_save_checkpoint_with_a_path():
    assert parameters(nnUNetTrainer.save_checkpoint) == ["self", "filename"]
    assert parameters(nnUNetTrainer.load_checkpoint)[1:2] == ["filename_or_checkpoint"]


def test_local_logger_holds_lists():
    from nnunetv2.training.logging.nnunet_logger import LocalLogger

    assert all(v == [] for v in LocalLogger().my_fantastic_logging.values())


def test_augmentation_ends_its_spatial_part_by_removing_label_minus_1():
    """Synthetic anomalies go in right behind it, before regions and scales are made."""
    transforms = nnUNetTrainer.get_training_transforms((32, 32), (-1, 1), [[1, 1]], (0, 1), False, regions=[1, (1, 2)])
    places = [i for i, t in enumerate(transforms.transforms) if isinstance(t, RemoveLabelTansform)]
    assert len(places) == 1
    behind = [type(t).__name__ for t in transforms.transforms[places[0] + 1 :]]
    assert behind == ["ConvertSegmentationToRegionsTransform", "DownsampleSegForDSTransform"]


def test_augmentation_begins_with_its_spatial_part():
    """A lesion bank pastes right behind it, where labels are still −1 outside, before intensities change."""
    for dummy, spatial in ((False, 1), (True, 3)):
        size = (8, 32, 32) if dummy else (32, 32)
        transforms = nnUNetTrainer.get_training_transforms(size, (-1, 1), [[1] * len(size)], (0, 1), dummy).transforms
        kinds = ["Convert3DTo2DTransform", "SpatialTransform", "Convert2DTo3DTransform"]
        assert [type(t).__name__ for t in transforms[:spatial]] == (kinds if dummy else kinds[1:2])
        assert not any(type(t).__name__ in kinds for t in transforms[spatial:])


def test_a_loss_can_be_told_which_label_to_ignore():
    """A lesion bank does, for what is unknown of images without labels, where the dataset has no such label."""
    output, target = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 1, 8, 8))
    target[:, :, :4] = 3
    expected = DC_and_CE_loss({}, {}, ignore_label=3)(output, target)
    loss = DC_and_CE_loss({}, {})
    loss.ignore_label = loss.ce.ignore_index = 3
    assert torch.equal(loss(output, target), expected)
    assert "self._build_loss()" in inspect.getsource(nnUNetTrainer.initialize)
    assert "DeepSupervisionWrapper(loss, weights)" in inspect.getsource(nnUNetTrainer._build_loss)


def test_the_channel_name_that_switches_normalisation_off():
    from nnunetv2.preprocessing.normalization.map_channel_name_to_normalization import get_normalization_scheme

    assert get_normalization_scheme("noNorm").__name__ == "NoNormalization"


def test_networks_are_built_from_plans_that_carry_more():
    """The restorer's description travels in the plans under a key of ours."""
    plans = {"nnunet_uad": {"restorer": {}}, "configurations": {}, "plans_name": "p"}
    assert PlansManager(plans).plans["nnunet_uad"] == {"restorer": {}}
    source = inspect.getsource(nnUNetTrainer.on_train_start)
    assert "save_json(self.plans_manager.plans, join(self.output_folder_base, 'plans.json')" in source
