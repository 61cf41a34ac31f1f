"""What ``torch.compile`` makes of the networks: one graph a step, broken only where we say so."""

import pytest
import tiny
import torch
from torch._dynamo.utils import counters

#: Pretrainers, and whether a part is kept out of the graph by ``torch.compiler.disable``: the discriminator.
PRETRAINERS = {"DAE": False, "DDPM": False, "TAE": False, "VAE": False, "PatchGAN": True}


@pytest.fixture
def compiled(monkeypatch):
    """What nnU-Net compiles on a GPU is compiled here, by a backend that counts graphs and runs them as they are."""
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph.forward

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, **options: real(module, **{**options, "backend": counting}))
    torch._dynamo.reset()
    counters.clear()
    yield graphs
    torch._dynamo.reset()


def steps_of(trainer, monkeypatch, graphs):
    """Graphs after the first step and after the second one."""
    monkeypatch.setattr(type(trainer), "_do_i_compile", lambda self: True)
    trainer.initialize()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    batch = next(trainer.dataloader_train)
    found = []
    for _ in range(2):
        trainer.train_step(batch)
        found.append(len(graphs))
    return found


def breaks():
    """Reasons of graph breaks: those that we ask for, and the others."""
    reasons = list(counters["graph_break"])
    asked = [reason for reason in reasons if "disable" in reason]
    return asked, [reason for reason in reasons if reason not in asked]


@pytest.mark.parametrize(("method", "kept_out"), PRETRAINERS.items())
def test_a_step_is_one_graph(tiny_dataset, results, monkeypatch, compiled, method, kept_out):
    trainer = tiny.make_trainer(f"nnUNetPretrainer{method}_1epochs")
    assert steps_of(trainer, monkeypatch, compiled) == [1, 1]
    asked, others = breaks()
    assert others == [] and (len(asked) > 0) is kept_out


def test_the_frozen_restorers_network_is_compiled_beside_the_segmenter(tiny_dataset, results, monkeypatch, compiled):
    trainer = tiny.make_trainer("nnUNetTrainerDAEResidual_1epochs")
    description = tiny.make_trainer("nnUNetPretrainerDAE_1epochs").description()
    trainer._describe({**description, "kinds": ["signed"], "form": "channels", "seed": 0})
    first, second = steps_of(trainer, monkeypatch, compiled)
    assert first == second >= 2 and breaks()[1] == []
    restorer = trainer.bare_network.restorer
    assert restorer.network._compiled_call_impl is not None
    assert not any("_orig_mod" in name for name in restorer.state_dict())
