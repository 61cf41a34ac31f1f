import subprocess
import sys

from nnunet_uad.common.nnunet import CHECKPOINT
from nnunet_uad.inference.names import DEFAULT_THRESHOLD
from nnunet_uad.scoring.thresholds import FALSE_POSITIVE_RATES


def test_flags_are_declared_without_torch():
    code = "import nnunet_uad.inference.names, sys; assert not {'torch', 'nnunetv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_default_threshold_is_one_that_validations_store():
    assert DEFAULT_THRESHOLD in [f"fpr:{rate:g}" for rate in FALSE_POSITIVE_RATES]


def test_the_checkpoint_is_the_one_that_a_finished_training_has(dae_fold):
    assert (dae_fold / CHECKPOINT).is_file()
