"""One rank of two-process trainings on the CPU, one after the other: ``python ddp_worker.py RANK STORE TRAINER …``.

nnU-Net's DDP is CUDA only; gloo and a DDP wrapper without device numbers stand in for NCCL, all else is the real path.
"""

import json
import os
import sys
from pathlib import Path

import tiny
import torch
import torch.distributed as dist
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as module
from torch.nn.parallel import DistributedDataParallel

#: Trainer → settings that change which parameters learn, or what travels with a batch.
SETTINGS = {
    "nnUNetPretrainerDAE_1epochs_2iters": "target=before_intensity",
    "nnUNetPretrainerMAE_1epochs_2iters": "target=before_intensity",
    "nnUNetPretrainerPatchGAN_2epochs_2iters": "discriminator_blur_mm=2 second_phase=0.5",
    "nnUNetTrainerDAEPretrained_1epochs_2iters": "schedule=sawtooth warmup=0.8 decoder_warmup=0.9",
}


def main(rank: int, store: str, *names: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    module.DDP = lambda network, device_ids: DistributedDataParallel(network)
    torch.nn.SyncBatchNorm.convert_sync_batchnorm = staticmethod(lambda network: network)
    found = {name: train(name) for name in names}
    Path(f"{store}_{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def train(name: str) -> dict[str, float]:
    """Train; returns how many parameters are frozen, and the number that the rank draws after the training."""
    os.environ["nnUNet_uad_settings"] = SETTINGS.get(name, "")
    trainer = tiny.make_trainer(name)
    trainer.device, trainer.grad_scaler = torch.device("cpu"), None
    trainer.initialize()
    frozen = {n: p.detach().clone() for n, p in trainer.bare_network.named_parameters() if n.startswith("restorer.")}
    trainer.run_training()
    # Before the validation, which draws the same on all ranks.
    noise = torch.rand(1).item()
    after = dict(trainer.bare_network.named_parameters())
    if not all(torch.equal(value, after[name]) for name, value in frozen.items()):
        raise RuntimeError("the frozen restorer has changed")
    flat = torch.cat([p.detach().flatten() for p in trainer.bare_network.parameters()])
    both = [torch.zeros_like(flat) for _ in range(2)]
    dist.all_gather(both, flat)
    if not torch.equal(*both):
        raise RuntimeError("the ranks ended with different weights")
    if "Pretrainer" in name:
        trainer.perform_actual_validation()
    return {"frozen": len(frozen), "noise": noise}


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
