"""What a call does on an imitated GPU: waits, copies, random numbers, and what it would cost.

Costs are counted operation by operation as PyTorch dispatches them. The time is a roofline: an operation takes the
longer of its arithmetic and its memory traffic. It is a model for ratios, no measurement.
"""

from __future__ import annotations

import traceback
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

#: Half and single precision, FLOP/s, and memory traffic, B/s, that a data-centre GPU of 2020 reaches in practice.
HALF, SINGLE, BANDWIDTH = 156e12, 60e12, 1.3e12
_ROOT = Path(__file__).parents[2]
_OURS = tuple(str((_ROOT / part).resolve()) for part in ("nnunet_uad", "pretrain", "trainers"))
_OTHERS = ("nnunetv2", "/amp/", "/optim/")
#: Operations whose result or shape the host has to know.
_WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "repeat_interleave")
_RANDOM = ("rand", "randn", "randint", "normal", "uniform", "bernoulli", "randperm")
#: Operations that ask for sizes alone; they are no composite ones, whose parts are to be counted.
_QUESTIONS = ("size", "strid", "is_", "numel", "dim")


def place() -> str:
    """Innermost line of this package on the stack, else of nnU-Net or of PyTorch's AMP and optimisers."""
    frames = [f"{f.filename}:{f.lineno}" for f in reversed(traceback.extract_stack(limit=80))]
    mine = [frame.removeprefix(f"{_ROOT}/") for frame in frames if frame.startswith(_OURS)]
    others = [frame.split("site-packages/")[-1] for frame in frames if any(part in frame for part in _OTHERS)]
    return [*mine, *others, "backward"][0]


class Watch(TorchDispatchMode):
    """Logs what makes the host wait, what crosses the bus, where numbers are drawn; counts costs and living bytes.

    Attributes:
        log: Number of times per kind, operation and place.
        flops: Arithmetic.
        traffic: Bytes that operations read and write.
        seconds: Modelled time, every operation a kernel of its own.
        fused_seconds: The same, as if all pointwise operations were part of their neighbours' kernels: a lower bound of
            what ``torch.compile`` can reach.
        peak: Largest number of living bytes on the GPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: Counter[tuple[str, str, str]] = Counter()
        self.flops, self.traffic, self.seconds, self.fused_seconds, self.peak = 0.0, 0, 0.0, 0.0, 0
        self._alive, self._known = 0, {}

    def note(self, kind: str, what: str) -> None:
        """Log an event at the place that caused it.

        Args:
            kind: Kind of the event.
            what: Operation.
        """
        self.log[kind, what, place()] += 1

    def hold(self, tensor: torch.Tensor) -> None:
        """Count a tensor's bytes as long as it lives.

        Args:
            tensor: Tensor of any shape, on any device; the GPU's count.
        """
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if tensor.device.type == "cuda" and key not in self._known:
            weakref.finalize(storage, self._forget, key)
            self._known[key] = size
            self._alive += size
            self.peak = max(self.peak, self._alive)

    def _forget(self, key: int) -> None:
        self._alive -= self._known.pop(key)

    def summary(self) -> dict[str, Any]:
        """Everything as a mapping that survives JSON."""
        events = [
            {"kind": kind, "what": what, "where": where, "times": n} for (kind, what, where), n in self.log.items()
        ]
        costs = ("flops", "traffic", "seconds", "fused_seconds", "peak")
        return {"events": events, **{name: getattr(self, name) for name in costs}}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, func._schema.name.removeprefix("aten::").rstrip("_")
        inputs = [a for a in tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
        if name in _WAITING and any(t.device.type == "cuda" for t in inputs):
            self.note("wait", name)
        if name == "_local_scalar_dense" and isinstance(args[0], FakeTensor):
            return {torch.bool: False, torch.int64: 0}.get(args[0].dtype, 0.0)
        composite = func.namespace == "aten" and torch.is_inference_mode_enabled()
        if composite and not any(part in name for part in _QUESTIONS):
            with self:  # inference mode leaves composite operations whole
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        outputs = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
        self._count(func, name, inputs, outputs, args, kwargs, result)
        if name in ("_to_copy", "copy"):
            self._copy(name, inputs, outputs, args, kwargs)
        if name.removesuffix("_like") in _RANDOM:
            self.note(f"random {outputs[0].device.type}", name)
        for output in outputs:
            self.hold(output)
        return result

    def _copy(self, name: str, inputs: list, outputs: list, args: Any, kwargs: dict) -> None:
        way = inputs[-1 if name == "copy" else 0].device.type, outputs[0].device.type
        if way == ("cuda", "cpu"):
            self.note("wait", "to the CPU")
        elif way == ("cpu", "cuda"):
            self.note("copy", f"{outputs[0].numel()} x {outputs[0].dtype}")
            if not (kwargs.get("non_blocking") or (name == "copy" and len(args) > 2 and args[2])):
                # cudaStreamSynchronize after cudaMemcpyAsync: the host waits for all queued work.
                self.note("wait", "blocking copy to the GPU")

    def _count(self, func: Any, name: str, inputs: list, outputs: list, args: Any, kwargs: dict, result: Any) -> None:
        """Costs of an operation on the GPU; views and empty tensors have none."""
        tensors = [t for t in (*inputs, *outputs) if t.device.type == "cuda"]
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        if not tensors or view or name.startswith(("empty", "new_empty")) or name in ("detach", "set"):
            return
        flops = 0
        if func._overloadpacket in flop_registry:
            flops = flop_registry[func._overloadpacket](*args, **kwargs, out_val=result)
        traffic = sum(min(t.numel() * t.element_size(), t.untyped_storage().nbytes()) for t in tensors)
        half = any(t.dtype in (torch.float16, torch.bfloat16) for t in outputs)
        seconds = max(flops / (HALF if half else SINGLE), traffic / BANDWIDTH)
        self.flops += flops
        self.traffic += traffic
        self.seconds += seconds
        if not (torch.Tag.pointwise in func.tags or name == "_to_copy"):
            self.fused_seconds += seconds
