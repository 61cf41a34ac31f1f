"""PyTorch checkpoints, read without running code that they carry, and checked before anything uses them.

nnU-Net reads checkpoints by ``torch.load(weights_only=False)``, which runs whatever a file asks for. Everything here
that needs a checkpoint calls :func:`read_checkpoint` first; where nnU-Net then reads the file once more, it does so
inside :func:`no_code`.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunet_uad.common.plan_settings import BLOCK
from nnunet_uad.weights.pickled_names import foreign_names
from nnunet_uad.weights.tensors import check_tensors, is_finite

#: PyTorch's own switches: what ``torch.load`` does whatever its caller says.
SAFE_SWITCH, UNSAFE_SWITCH = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

# The function that rebuilds a NumPy scalar; NumPy 1 and 2 keep it in differently named modules.
_NUMPY_SCALAR = np.float64(0).__reduce__()[0]
# nnU-Net's checkpoints hold logged NumPy scalars; rebuilding those runs no foreign code.
_SAFE_GLOBALS = [
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(t)) for t in (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)),
]

#: Sections that are known, and what they must be.
_KINDS: dict[str, tuple[type, ...]] = {
    "network_weights": (Mapping,),
    "init_args": (Mapping,),
    "logging": (Mapping,),
    "optimizer_state": (Mapping, type(None)),
    "grad_scaler_state": (Mapping, type(None)),
    "trainer_name": (str,),
    "current_epoch": (int,),
    "_best_ema": (float, int, np.number, type(None)),
    "inference_allowed_mirroring_axes": (list, tuple, type(None)),
    "nnssl_adaptation_plan": (Mapping,),
}
_ARGUMENTS: dict[str, tuple[type, ...]] = {
    "configuration": (str,),
    "plans": (Mapping,),
    "dataset_json": (Mapping,),
    "fold": (int, str),
}
#: What nnssl's trainers keep among their arguments.
_COHORT = "pretrain_json"
_IN_WORDS: dict[type, str] = {Mapping: "a mapping", str: "text", int: "a whole number", type(None): "nothing"}
#: Sections that a model is rebuilt from, and that a training needs to go on.
MODEL = ("network_weights", "trainer_name", "init_args")
TRAINING = (*MODEL, "current_epoch", "logging", "_best_ema", "optimizer_state")

# Far beyond any plan or log, far below what would fill the memory: a list can hold itself, or another one ten times.
_MOST_VALUES, _DEEPEST = 2_000_000, 50


class UnsafeCheckpointError(ValueError):
    """A file that would have to run code to be read."""


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint: plain values and tensors of the kinds that nnU-Net writes.

    Attributes:
        path: File that it was read from.
        content: Sections by name.
    """

    path: Path
    content: dict[str, Any]

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """Tensors of any shape by name, finite, on the CPU."""
        return self.content["network_weights"]

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments that nnU-Net's trainer was made with; empty if the file holds none."""
        return self.content.get("init_args", {})

    @property
    def trainer(self) -> str:
        """Full name of the trainer, empty if unknown."""
        return self.content.get("trainer_name", "")

    @property
    def fold(self) -> str:
        """Number of the fold or ``all``, empty if unknown."""
        return str(self.arguments.get("fold", ""))

    @property
    def plans(self) -> Mapping[str, Any]:
        """Plans that the model was trained with; empty if unknown."""
        return self.arguments.get("plans", {})

    @property
    def run(self) -> Mapping[str, Any]:
        """What our trainers add to the plans: settings, seed, restorer; empty for trainers of others."""
        return self.plans.get(BLOCK, {})

    def refuse_other_network(self, network: torch.nn.Module) -> None:
        """Compare the weights with a network that they are to be loaded into.

        Args:
            network: Network without the wrappers of DDP and ``torch.compile``.

        Raises:
            ValueError: A tensor is missing, of another shape or kind or has no place; names the file and the first of
                them.
        """
        there, wanted = self.weights, network.state_dict()
        faults = [f"{name} is missing" for name in wanted if name not in there]
        both = [(name, there[name], tensor) for name, tensor in wanted.items() if name in there]
        faults += [
            f"{name} has shape {list(given.shape)} instead of {list(tensor.shape)}"
            for name, given, tensor in both
            if given.shape != tensor.shape
        ]
        faults += [
            f"{name} is {given.dtype} instead of {tensor.dtype}"
            for name, given, tensor in both
            if given.is_floating_point() != tensor.is_floating_point()
        ]
        faults += [f"{name} has no place" for name in there if name not in wanted]
        if faults:
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise ValueError(
                f"{self.path} does not hold the weights of this network: {'; '.join(faults[:3])}{more}. It was "
                "altered, or written by another trainer, plan or version; repeat the training that should have "
                "written it."
            )

    def refuse_other_plans(self, plans: Mapping[str, Any]) -> None:
        """Compare the configuration with the plans that the model is to be rebuilt from.

        Args:
            plans: Content of the model's ``plans.json``.

        Raises:
            ValueError: The plans do not hold it; names the file.
        """
        name = self.arguments["configuration"]
        if name not in plans["configurations"]:
            raise ValueError(
                f"{self.path} was trained with configuration {name!r}; the plans of its model have: "
                f"{', '.join(map(str, plans['configurations']))}. It was copied from another model, or altered."
            )

    def refuse_spoilt_optimizer(self) -> None:
        """Compare the optimiser's numbers with what a training can go on with.

        Raises:
            ValueError: One of them is NaN or infinite; names the file.
        """
        state = (self.content.get("optimizer_state") or {}).get("state")
        moments = state.values() if isinstance(state, Mapping) else ()
        values = [v for s in moments if isinstance(s, Mapping) for v in s.values()]
        if not all(is_finite(v) for v in values if isinstance(v, torch.Tensor)):
            raise ValueError(
                f"{self.path}: optimizer_state holds NaN or infinite numbers, so the training that wrote it has "
                "diverged and cannot go on. Start anew with a lower learning_rate, or continue from an earlier one."
            )

    @contextmanager
    def unfit_is_told(self) -> Iterator[None]:
        """What a reader inside cannot make use of is told with the file's name, instead of PyTorch's traceback.

        Raises:
            ValueError: The content has the right sections, but not in them what PyTorch or nnU-Net expect.
        """
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path} does not fit ({type(error).__name__}: {_first_line(error)}). It was altered, or written "
                "by another trainer, plan or version."
            ) from error


def read_checkpoint(path: str | Path, needs: Sequence[str] = ("network_weights",)) -> Checkpoint:
    """Read a checkpoint without unpickling code, and check what it holds.

    Args:
        path: File to read, nnU-Net's ``checkpoint_*.pth`` or one like it.
        needs: Names of the sections that must be there: :data:`MODEL`, :data:`TRAINING`.

    Raises:
        FileNotFoundError: There is no such file.
        UnsafeCheckpointError: Reading the file would have to run code.
        ValueError: The file is empty, cut, damaged, no checkpoint, or lacks a section; a section is of a wrong type;
            weights are no finite numbers. Names the file.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> read_checkpoint(f"{model}/fold_0/checkpoint_final.pth", MODEL).fold
        '0'
    """
    path = Path(path)
    return as_checkpoint(path, load_content(path), needs)


def as_checkpoint(path: Path, content: Any, needs: Sequence[str] = ("network_weights",)) -> Checkpoint:
    """Check what a file holds.

    Args:
        path: File that it was read from.
        content: Content of the file, of :func:`load_content`.
        needs: Names of the sections that must be there: :data:`MODEL`, :data:`TRAINING`.

    Raises:
        ValueError: It is no checkpoint, lacks a section, a section is of a wrong type, or weights are no finite
            numbers. Names the file.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("network_weights"), Mapping):
        keys = ", ".join(map(str, content)) if isinstance(content, Mapping) else f"a {type(content).__name__}"
        raise ValueError(f"{path} holds no 'network_weights' (found: {keys[:200]}): no nnU-Net checkpoint.")
    content = _without_cohort(content)
    missing = [name for name in needs if name not in content]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: expected a checkpoint that nnU-Net's trainer wrote.")
    _check_size(path, {k: v for k, v in content.items() if k != "network_weights"})
    _check_kinds(path, "", content, _KINDS)
    _check_kinds(path, "init_args/", content.get("init_args", {}), _ARGUMENTS)
    axes = content.get("inference_allowed_mirroring_axes") or ()
    if any(type(axis) is not int or not 0 <= axis <= 2 for axis in axes):
        raise ValueError(
            f"{path}: inference_allowed_mirroring_axes expects axes from 0 to 2, found {list(axes)!r:.80}."
        )
    if "init_args" in needs:
        _check_arguments(path, content["init_args"])
    check_tensors(path, content["network_weights"])
    return Checkpoint(path, content)


@contextmanager
def no_code() -> Iterator[None]:
    """Whatever reads a checkpoint inside, nnU-Net too, runs none of its code: such a file raises instead."""
    before = {name: os.environ.pop(name, None) for name in (SAFE_SWITCH, UNSAFE_SWITCH)}
    os.environ[SAFE_SWITCH] = "1"
    try:
        with torch.serialization.safe_globals(_SAFE_GLOBALS):
            yield
    finally:
        del os.environ[SAFE_SWITCH]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def load_content(path: Path) -> Any:
    """Content of a file of PyTorch's, of whatever it is; unpickled without code.

    Args:
        path: File to read.

    Raises:
        FileNotFoundError: There is no such file.
        UnsafeCheckpointError: Reading the file would have to run code.
        ValueError: The file is empty, cut, damaged or packed. Names the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}.")
    size = path.stat().st_size
    if not size:
        raise ValueError(f"{path} is empty (0 bytes): its writing was cut off. {_AGAIN}")
    if zipfile.is_zipfile(path):
        _refuse_packed(path)
    try:
        # An open file: given a path, torch.load would judge by the ending.
        with no_code(), path.open("rb") as handle:
            return torch.load(handle, map_location="cpu", weights_only=True)
    except Exception as error:
        # Of damaged bytes the unpickler raises anything: KeyError, AssertionError, MemoryError …
        names = foreign_names(path) if isinstance(error, pickle.UnpicklingError) else []
        if names:
            raise UnsafeCheckpointError(
                f"{path} is a pickle that would have to run code to be read ({', '.join(names[:5])}), which is refused."
                " Use the pretrained.safetensors beside it, or a checkpoint saved by nnU-Net or nnssl themselves. Of "
                "another file that you trust (Lightning's .ckpt, for example), save the tensors alone, where its own "
                "package is installed: torch.save(torch.load(FILE, weights_only=False)['state_dict'], 'weights.pth')"
            ) from error
        raise ValueError(
            f"{path} cannot be read as a PyTorch checkpoint; it may be truncated or damaged: {_first_line(error)}. "
            f"{_AGAIN}"
        ) from error


def _without_cohort(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content without nnssl's list of every person and image that was trained on, which nothing here needs.

    For OpenMind's 114,000 images it has more entries than any other checkpoint may have.
    """
    arguments = content.get("init_args")
    if isinstance(arguments, Mapping) and _COHORT in arguments:
        arguments = {key: value for key, value in arguments.items() if key != _COHORT}
        return {**content, "init_args": arguments}
    return dict(content)


_AGAIN = "Copy it again or repeat the training that wrote it."


def _refuse_packed(path: Path) -> None:
    """PyTorch stores numbers as they are; a packed file could unfold to any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [m.filename for m in archive.infolist() if m.compress_type != zipfile.ZIP_STORED]
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a PyTorch checkpoint: {_first_line(error)}. {_AGAIN}") from error
    if packed:
        raise ValueError(
            f"{path} is a zip file with packed content ({', '.join(packed[:3])}), which no checkpoint has. A model "
            "that was exported as a zip is installed first: nnUNetv2_install_pretrained_model_from_zip"
        )


def _check_size(path: Path, content: Any) -> None:
    """Refuse nested lists that are small in the file and endless when somebody goes through them."""
    count = 0
    waiting: list[tuple[Any, int]] = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        inside = value.values() if isinstance(value, Mapping) else value
        count += 1 + len(inside)
        if count > _MOST_VALUES or depth > _DEEPEST:
            raise ValueError(
                f"{path} holds more than {_MOST_VALUES} values or lists deeper than {_DEEPEST}: no nnU-Net checkpoint."
            )
        waiting += [(v, depth + 1) for v in inside if isinstance(v, (Mapping, list, tuple, set))]


def _check_kinds(path: Path, place: str, content: Mapping[Any, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    for name, allowed in kinds.items():
        if name in content and (not isinstance(content[name], allowed) or isinstance(content[name], bool)):
            expected = " or ".join(_IN_WORDS.get(kind, kind.__name__) for kind in allowed)
            raise ValueError(f"{path}: {place}{name} expects {expected}, found {_short(content[name])}.")


def _check_arguments(path: Path, arguments: Mapping[str, Any]) -> None:
    missing = [name for name in ("configuration", "plans", "dataset_json") if name not in arguments]
    if missing:
        raise ValueError(f"{path}: init_args lacks {', '.join(missing)}.")
    run = arguments["plans"].get(BLOCK, {})
    if not isinstance(run, Mapping) or not isinstance(run.get("settings", {}), Mapping):
        raise ValueError(f"{path}: init_args/plans/{BLOCK} expects a mapping with settings, found {_short(run)}.")
    seed = run.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise ValueError(f"{path}: init_args/plans/{BLOCK}/seed expects a whole number >= 0, found {_short(seed)}.")


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"
    return text if len(text) < 100 else f"{text[:100]}…"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
