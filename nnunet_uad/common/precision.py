"""Which arithmetic networks compute in: nnU-Net's mixed precision on CUDA, bfloat16 on processors that have it.

Networks only. What leaves them is float32 again: losses, statistics, reconstructions and anomaly maps are computed in
single precision everywhere, and so are the weights' updates.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

#: What the setting ``amp`` may be.
AUTO, OFF = "auto", "off"
PRECISIONS = (AUTO, OFF)
#: Instructions without which PyTorch computes bfloat16 several times slower than float32.
_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


def bfloat16_instructions() -> str:
    """Instructions of this processor that multiply bfloat16, as PyTorch names them; empty where it has none.

    ARM's are not counted: nobody has measured them.
    """
    # Older versions of PyTorch do not say what the processor has.
    asked = getattr(torch.cpu, "get_capabilities", None)
    if asked is None or not torch.backends.mkldnn.is_available():
        return ""
    has = asked()
    return " ".join(name for name in _INSTRUCTIONS if has.get(name))


def in_bfloat16(amp: str, device: torch.device) -> bool:
    """Whether networks compute in bfloat16: on CPUs that have instructions for it, unless it is switched off.

    Args:
        amp: Setting ``amp``, ``auto`` or ``off``.
        device: Device of the network.
    """
    return amp == AUTO and device.type == "cpu" and bool(bfloat16_instructions())


def is_mixed(amp: str, device: torch.device) -> bool:
    """Whether networks compute in 16 bits where they can, on whatever device.

    Args:
        amp: Setting ``amp``, ``auto`` or ``off``.
        device: Device of the network.
    """
    return (amp == AUTO and device.type == "cuda") or in_bfloat16(amp, device)


def precision_in_words(amp: str, device: torch.device) -> str:
    """Precision of the networks, for the log.

    Args:
        amp: Setting ``amp``, ``auto`` or ``off``.
        device: Device of the network.
    """
    if in_bfloat16(amp, device):
        return f"bfloat16 ({bfloat16_instructions()})"
    return "float16, as nnU-Net" if is_mixed(amp, device) else "float32"


def network_precision(amp: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a network is called; it leaves alone what nnU-Net does on CUDA, unless it is switched off.

    Args:
        amp: Setting ``amp``, ``auto`` or ``off``.
        device: Device of the network.
    """
    if in_bfloat16(amp, device):
        return torch.autocast("cpu", torch.bfloat16)
    if amp == OFF and device.type == "cuda":
        return torch.autocast("cuda", enabled=False)
    return nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """The context of arithmetic inside a network that 16 bits would spoil: everything as the types of tensors say.

    Args:
        device: Device of the tensors.
    """
    return torch.autocast(device.type, enabled=False) if device.type in ("cpu", "cuda") else nullcontext()


def keep_precision(network: nn.Module, amp: str, device: torch.device) -> None:
    """Let every call of a network compute in the precision of the setting, whoever calls it, and return float32.

    nnU-Net computes network and loss in one function, without autocast on CPUs; it calls this network all the same.

    Args:
        network: Network with all its wrappers, DDP's and the compiler's: what is called.
        amp: Setting ``amp``, ``auto`` or ``off``.
        device: Device of the network.
    """
    if isinstance(network_precision(amp, device), nullcontext):
        return
    calls = _Calls(amp, device)
    network.register_forward_pre_hook(calls.begin)
    network.register_forward_hook(calls.end, always_call=True)


def in_float32(output: Any) -> Any:
    """What a network returned, its 16-bit numbers as float32; in tuples, named ones too, lists and mappings as well.

    Args:
        output: Tensor of any shape, or tensors in tuples, lists and mappings; what is neither stays as it is.
    """
    if isinstance(output, torch.Tensor):
        return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output
    if isinstance(output, dict):
        return {key: in_float32(value) for key, value in output.items()}
    if isinstance(output, (list, tuple)):
        parts = [in_float32(part) for part in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output


class _Calls:
    """The calls of a network that have begun and not ended; one within another where a network calls itself."""

    def __init__(self, amp: str, device: torch.device) -> None:
        self.amp, self.device = amp, device
        self.begun: list[AbstractContextManager[object]] = []

    def begin(self, network: nn.Module, inputs: Any) -> None:
        """Enter the precision before a network is called with inputs."""
        context = network_precision(self.amp, self.device)
        context.__enter__()
        self.begun.append(context)

    def end(self, network: nn.Module, inputs: Any, output: Any) -> Any:
        """Leave it, and return the network's output in float32."""
        # Of a call that failed, too: there the output is None.
        self.begun.pop().__exit__(None, None, None)
        return in_float32(output)
