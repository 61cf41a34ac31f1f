"""All trainers under one roof: nnU-Net imports this module and asks it for names.

The classes live in the installed package, so they stay identical and picklable however often nnU-Net drops this
module again. Each is imported when it is asked for.
"""

from collections.abc import Iterator, Mapping

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer as _nnUNetTrainer

from nnunet_uad import methods as _methods
from nnunet_uad.training import variants as _variants

__all__ = list(_methods.NAMES)


class _Trainers(Mapping[str, type[_nnUNetTrainer]]):
    """Name → class of every trainer of ours, and nnU-Net's own as the baseline; imported when looked up."""

    def __getitem__(self, name: str) -> type[_nnUNetTrainer]:
        return _nnUNetTrainer if name == _methods.STOCK_TRAINER else _methods.trainer_class(name)

    def __iter__(self) -> Iterator[str]:
        return iter((*_methods.NAMES, _methods.STOCK_TRAINER))

    def __len__(self) -> int:
        return len(_methods.NAMES) + 1

    def __contains__(self, name: object) -> bool:
        return name == _methods.STOCK_TRAINER or name in _methods.NAMES


_TRAINERS = _Trainers()


def __getattr__(name: str) -> type[_nnUNetTrainer]:
    """Trainers of any length, ``<name>_<N>epochs[_<M>iters]``; nnU-Net's own trainer too, as the baseline."""
    trainer = _variants.resolve(name, _TRAINERS)
    if trainer is not None:
        return trainer
    if not name.startswith("_"):
        _variants.refuse_misspelling(name, _TRAINERS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
