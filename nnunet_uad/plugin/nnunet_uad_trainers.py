"""All trainers under one roof: nnU-Net imports this module and asks it for names.

The classes live in the installed package, so they stay identical and picklable however often nnU-Net drops this
module again. Each is imported when it is asked for.
"""

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer as _nnUNetTrainer

from nnunet_uad import methods as _methods
from nnunet_uad.common.trainer_folders import defined_elsewhere as _defined_elsewhere
from nnunet_uad.common.trainer_names import base_name as _base_name
from nnunet_uad.training import variants as _variants

__all__ = list(_methods.NAMES)


def __getattr__(name: str) -> type[_nnUNetTrainer]:
    """Trainers of any length, ``<name>_<N>epochs[_<M>iters]``; nnU-Net's own trainer too, as the baseline."""
    base = _base_name(name)
    # A length of nnU-Net's own trainer may be somebody's class, which this folder, searched first, must not hide.
    stock = base == _methods.STOCK_TRAINER and not _defined_elsewhere(name)
    if stock or base in _methods.NAMES:
        own = _nnUNetTrainer if base == _methods.STOCK_TRAINER else _methods.trainer_class(base)
        trainer = _variants.resolve(name, {base: own})
        if trainer is not None:
            return trainer
    if not name.startswith("_"):
        # Among our names alone: another folder's nnUNetTrainerX is no misspelt nnUNetTrainer.
        _variants.refuse_misspelling(name, _methods.NAMES)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
