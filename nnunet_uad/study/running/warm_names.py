"""Where warm processes listen, and what they do: read by every job before anything else, so only strings are here."""

from __future__ import annotations

#: Set by ``nnunet_uad study run`` for its jobs: the socket at which processes are to be had that imported PyTorch.
ADDRESS_VARIABLE = "NNUNET_UAD_WARM"
JOB, TRAINING = "job", "nnUNetv2_train"
#: What is run → module and function, which reads ``sys.argv``: those that a job and nnU-Net's own command would call.
ENTRIES = {
    JOB: ("nnunet_uad.study.running.job", "main"),
    TRAINING: ("nnunetv2.run.run_training", "run_training_entry"),
}
