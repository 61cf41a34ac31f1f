"""A machine that believes it has a GPU: programs on it start behind a stub of the driver, no kernel is launched.

PyTorch's ``FakeTensorMode`` imitates tensors on ``cuda``: devices, types, shapes, autograd, autocast and optimisers are
PyTorch's own, values are unknown. Only autograd asks the CUDA runtime for its devices; a stub of libcuda and of a few
functions of libcudart, preloaded, answers that there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PROGRAM = Path(__file__).with_name("exercise.py")
#: What the runtime is asked for with an answer that counts; every other function of the driver returns 0.
_STUB = """#include <stdlib.h>
int cudaGetDeviceCount(int*n){*n=1;return 0;} int cudaGetDevice(int*d){*d=0;return 0;} int cudaFree(void*p){return 0;}
int cudaSetDevice(int d){return 0;} int cudaGetLastError(void){return 0;} int cudaPeekAtLastError(void){return 0;}
int cudaDriverGetVersion(int*v){*v=99000;return 0;} int cudaMalloc(void**p,size_t n){*p=malloc(n);return 0;}
int cudaStreamIsCapturing(void*s,int*c){*c=0;return 0;}
int cudaDeviceGetStreamPriorityRange(int*a,int*b){*a=*b=0;return 0;}
int cuDevicePrimaryCtxGetState(int d,unsigned*f,int*a){*f=0;*a=1;return 0;}
"""


def what_is_missing() -> str:
    """Why no GPU can be imitated here, in words; empty where it can be."""
    import torch

    tools = [tool for tool in ("gcc", "nm") if shutil.which(tool) is None]
    if tools:
        return f"imitating a GPU needs {' and '.join(tools)} to build a stub of its driver"
    if sys.platform != "linux" or not _asking_library().is_file():
        return f"imitating a GPU needs a CUDA build of PyTorch on Linux; this one is {torch.__version__}"
    return ""


def _asking_library() -> Path:
    import torch

    return Path(torch.__file__).parent / "lib" / "libcaffe2_nvrtc.so"


def build_stub(folder: Path) -> Path:
    """The stub of the driver.

    Args:
        folder: Folder to build in.
    """
    command = ["nm", "-D", "--undefined-only", str(_asking_library())]
    asked = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    code = _STUB + "".join(f"int {n}(void){{return 0;}}\n" for n in asked if n.startswith("cu") and n not in _STUB)
    stub = folder / "libcuda.so.1"
    options = ["-shared", "-fPIC", f"-Wl,-soname,{stub.name}", "-x", "c", "-", "-o", str(stub)]
    subprocess.run(["gcc", *options], input=code, text=True, check=True)
    return stub


def measure(wanted: Mapping[str, Sequence[str]], settings: str = "") -> dict[str, Any]:
    """What every trainer's steps and inference do on the imitated GPU (:mod:`exercise`), in processes of their own.

    Args:
        wanted: Names of trainers by size (:data:`exercise.SIZES`).
        settings: Settings of the trainers, as in ``nnUNet_uad_settings``.

    Returns:
        Configuration → trainer → outcome.

    Raises:
        RuntimeError: The program ended early; its output is quoted.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stub = build_stub(folder)
        environment = {
            **os.environ,
            "LD_PRELOAD": str(stub),
            "LD_LIBRARY_PATH": name,
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "tests", "tests/gpu", "benchmarks")),
            "nnUNet_extTrainer": str(ROOT / "nnunet_uad" / "plugin"),
            "nnUNet_compile": "f",
            "nnUNet_n_proc_DA": "0",
            "nnUNet_uad_settings": settings,
            "OMP_NUM_THREADS": "1",
            **{f"nnUNet_{place}": str(folder / place) for place in ("raw", "preprocessed", "results")},
        }
        output = folder / "outcome.json"
        pairs = [f"{configuration}={','.join(trainers)}" for configuration, trainers in wanted.items()]
        command = [sys.executable, str(_PROGRAM), str(output), *pairs]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode or not output.is_file():
            raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")
        return json.loads(output.read_text(encoding="utf-8"))
