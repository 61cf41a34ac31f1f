"""What ``nnUNetv2_train`` was asked for and does not tell the trainer."""

from __future__ import annotations

import sys

#: nnU-Net's function that initialises a trainer only for -pretrained_weights, and its argument with the file.
CALLER, ARGUMENT = "maybe_load_checkpoint", "pretrained_weights_file"


def pretrained_weights_flag() -> str | None:
    """The file of nnU-Net's flag ``-pretrained_weights``, asked while nnU-Net initialises a trainer for it.

    nnU-Net unpickles that file right after the trainer's ``initialize`` returns, and tells nobody: the frame that
    called is the only place where its name can be seen.

    Returns:
        The file, ``None`` if the trainer is initialised for anything else.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == CALLER and ARGUMENT in frame.f_locals:
            named = frame.f_locals[ARGUMENT]
            return None if named is None else str(named)
        frame = frame.f_back  # type: ignore[assignment]
    return None
