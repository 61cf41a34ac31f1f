"""Every trainer on a GPU that is not there: its steps, the ends of its epochs, the inference of one tile.

Started by :func:`fake_device.measure`, which preloads the stub of the driver. Everything but what :func:`imitate`
replaces is the project's, nnU-Net's and PyTorch's own code.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from speed import CHANNELS, write_plans
from steps import batch_of, make
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves
from watch import Watch

from nnunet_uad.inference import sliding_window

#: Patch, spacing in mm, features per stage, batch: what nnU-Net plans for such images, and small ones.
SIZES = {
    "2d": ((512, 512), (1.0, 1.0), (32, 64, 128, 256, 512, 512, 512, 512), 12),
    "3d": ((128, 128, 128), (1.0, 1.0, 1.0), (32, 64, 128, 256, 320, 320), 2),
    "2d_small": ((32, 32), (2.0, 2.0), (8, 16, 16), 4),
    "3d_small": ((16, 32, 32), (2.0, 2.0, 2.0), (8, 16, 16), 2),
}
MODE = FakeTensorMode(allow_non_fake_inputs=True, allow_fallback_kernels=False)
#: What the imitated device claims to have.
MEMORY = 80 * 2**30


def imitate() -> None:
    """Replace what asks the driver, or for the values of tensors that have none."""
    torch.cuda.is_available = lambda: False  # only what is replaced here believes in the device
    torch.amp.grad_scaler.amp_definitely_not_available = lambda: False
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.get_device_properties = lambda *_: SimpleNamespace(total_memory=MEMORY)
    torch.cuda.empty_cache = lambda: None
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):
        setattr(torch.nn.init, name, _left_alone)  # nobody asks for the values
    sliding_window.compute_gaussian = lambda size, sigma_scale, dtype, device: torch.ones(
        size, dtype=dtype, device=device
    )
    as_type = torch.Tensor.type

    def fake_type(tensor: torch.Tensor, dtype: Any = None, **options: Any) -> Any:
        """``.type("torch.cuda.FloatTensor")`` without the device's own type."""
        if isinstance(dtype, str) and dtype.startswith("torch.cuda.") and tensor.device.type == "cpu":
            return tensor.to("cuda", {"FloatTensor": torch.float32, "HalfTensor": torch.float16}[dtype[11:]])
        return as_type(tensor, *([] if dtype is None else [dtype]), **options)

    torch.Tensor.type = fake_type
    torch.nn.functional.scaled_dot_product_attention = _attention
    torch.nn.Module.to = _module_to(torch.nn.Module.to)
    FakeTensor.numpy, FakeTensor.tolist = _numpy, _tolist


def _left_alone(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> torch.Tensor:
    """The kernel that PyTorch would choose for the device, whose properties it would ask the driver for."""
    if torch.is_autocast_enabled("cuda"):
        query, key, value = (t.to(torch.float16) for t in (query, key, value))
    if query.dtype == torch.float32:
        learns = torch.is_grad_enabled() and query.requires_grad
        efficient = torch.ops.aten._scaled_dot_product_efficient_attention
        return efficient(query, key, value, attn_mask, learns, dropout_p, is_causal, scale=scale)[0]
    flash = torch.ops.aten._scaled_dot_product_flash_attention
    return flash(query, key, value, dropout_p, is_causal, False, scale=scale)[0]


def _numpy(tensor: torch.Tensor, **_: Any) -> np.ndarray:
    """Ones: finite values of the right shape and type."""
    if tensor.device.type != "cpu":
        raise TypeError("can't convert a tensor on cuda to numpy")
    return np.ones(tensor.shape, str(tensor.dtype).removeprefix("torch."))


def _tolist(tensor: torch.Tensor) -> Any:
    if tensor.device.type == "cuda" and _Current.watch is not None:
        _Current.watch.note("wait", "tolist")
    return np.full(tensor.shape, 1.0 if tensor.device.type == "cuda" else 0.5).tolist()


class _Current:
    watch: Watch | None = None


def _module_to(to: Callable) -> Callable:
    """``nn.Module.to`` whose tensors on the GPU are fake, shared ones only once."""

    def fake_to(module: torch.nn.Module, *rest: Any, **options: Any) -> torch.nn.Module:
        """Move a module."""
        device, memo = torch._C._nn._parse_to(*rest, **options)[0], {}
        if device is None or device.type == "cpu":
            return to(module, *rest, **options)
        for held in (h for part in module.modules() for h in (part._parameters, part._buffers)):
            for key, tensor in held.items():
                if tensor is None or tensor.device.type == device.type:
                    continue
                if id(tensor) not in memo:
                    with MODE, torch.no_grad():
                        fake = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
                    own = isinstance(tensor, torch.nn.Parameter)
                    memo[id(tensor)] = torch.nn.Parameter(fake, tensor.requires_grad) if own else fake
                held[key] = memo[id(tensor)]
        return module

    return fake_to


def exercise(name: str, configuration: str, plans: dict, dataset_json: dict) -> dict[str, Any]:
    """Two training steps and two validation steps with their epochs' ends, and inference of one tile."""
    trainer, found = make(name, configuration, plans, dataset_json, "cuda"), {}
    batch = batch_of(trainer)

    def measure(stage: str, call: Callable[[], Any]) -> Any:
        """Watch a call."""
        watch = _Current.watch = Watch()
        with MODE, watch:
            for tensor in tree_leaves([trainer.network.state_dict(), list(trainer.optimizer.state.values())]):
                if isinstance(tensor, torch.Tensor):
                    watch.hold(tensor)
            result = call()
        found[stage] = watch.summary()
        return result

    for stage in ("train", "validation"):
        getattr(trainer, f"on_{stage}_epoch_start")()
        step = partial(getattr(trainer, f"{stage}_step"), batch)
        with nullcontext() if stage == "train" else torch.no_grad():
            outputs = [measure(f"{stage} first", step), measure(stage, step)]
        measure(f"{stage} end", partial(getattr(trainer, f"on_{stage}_epoch_end"), outputs))
    measure("inference", lambda: infer(trainer))
    return found


def infer(trainer: Any) -> None:
    """One tile, not mirrored."""
    size = tuple(trainer.configuration_manager.patch_size)
    restorer = trainer.restorer() if hasattr(trainer, "restorer") else None
    if restorer is None:
        trainer.set_deep_supervision_enabled(False)
        with torch.inference_mode(), torch.autocast("cuda"):
            trainer.network(torch.zeros(1, CHANNELS, *size, device="cuda"))
        return
    restorer = replace(restorer, mirror_axes=None)
    image = np.zeros((CHANNELS, *([1] if len(size) == 2 else []), *size), np.float32)
    if restorer.restoration.reconstructs:
        restorer.reconstruct(image, image[0] == 0)
    if restorer.restoration.detects:
        restorer.detect(image)


def run(name: str, configuration: str, plans: dict, dataset_json: dict) -> dict[str, Any]:
    """What :func:`exercise` found, or what went wrong."""
    started = time.process_time()
    try:
        with redirect_stdout(io.StringIO()) as said:
            stages = exercise(name, configuration, plans, dataset_json)
    except Exception:
        return {"error": traceback.format_exc(), "stages": {}, "cpu_seconds": time.process_time() - started}
    fell_back = "device was unsuccessful" in said.getvalue()
    error = "the sliding window fell back to the CPU" if fell_back else ""
    return {"error": error, "stages": stages, "cpu_seconds": time.process_time() - started}


def main() -> None:
    """Exercise trainers one after the other and write the outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("wanted", nargs="+", metavar="SIZE=TRAINER,…")
    arguments = parser.parse_args()
    plans, dataset_json = write_plans(Path(os.environ["nnUNet_preprocessed"]), SIZES)
    imitate()
    outcome: dict[str, dict] = {}
    for configuration, trainers in (pair.split("=") for pair in arguments.wanted):
        for name in trainers.split(","):
            # A process each: the stub is no driver, and a crash must end one trainer only.
            with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
                future = pool.submit(run, name, configuration, plans, dataset_json)
                failed = future.exception()
                found = future.result() if failed is None else {"error": repr(failed), "stages": {}}
            outcome.setdefault(configuration, {})[name] = found
    arguments.output.write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    main()
