"""Checkpoints of nnssl, by hand in the layout of its code; and by its own code where it is installed."""

import pytest
import torch
from peers import ARGUMENTS, CITED, nnssl_content, nnssl_file, nnssl_network

from nnunet_uad.weights.nnssl_plan import cited
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.transfer import transfer


def test_all_that_the_plan_says_is_read(tmp_path):
    source = read_weights(nnssl_file(tmp_path / "checkpoint_final.pth"))
    assert (source.kind, source.trainer, source.dataset, source.fold) == (
        "nnssl",
        "BaseMAETrainer",
        "Dataset745_OpenMind",
        "all",
    )
    assert (source.spacing, source.normalization, source.use_mask_for_norm) == (
        (1, 1, 1),
        ("ZScoreNormalization",),
        (False,),
    )
    assert (source.patch_size, source.channels, source.citation) == ((32, 32, 32), 1, CITED)
    assert source.architecture.arguments == ARGUMENTS and source.architecture.is_planned


def test_encoder_and_decoder_load_and_the_only_channel_is_spread(tmp_path):
    source = read_weights(nnssl_file(tmp_path / "x.pth"))
    network = nnssl_network(2)
    report = transfer(source, network, ("FLAIR", "T1"))
    assert report.share("encoder") == report.share("decoder") == 1.0
    stem = source.tensors["encoder.stem.convs.0.conv.weight"]
    # As nnU-Net's master does: repeated, and divided by the number of channels.
    assert torch.equal(network.encoder.stem.convs[0].conv.weight, stem.repeat(1, 2, 1, 1, 1) / 2)


def test_encoders_that_lie_elsewhere_are_found_by_their_keys(tmp_path):
    content = nnssl_content(key_to_encoder="online.stages", key_to_stem="online.stem")
    own = {k: v for k, v in content["network_weights"].items() if k.startswith("encoder.")}
    content["network_weights"] = {f"online.{k.removeprefix('encoder.')}": v for k, v in own.items()}
    torch.save(content, tmp_path / "byol.pth")
    source = read_weights(tmp_path / "byol.pth")
    assert set(source.tensors) == set(own) and source.channels == 1


def test_the_list_of_everybody_trained_on_is_not_carried_along(tmp_path):
    """OpenMind's has more entries than a checkpoint may have, and nothing here needs it."""
    content = nnssl_content()
    content["init_args"]["pretrain_json"] = {"images": [[]] * 2_000_001}
    torch.save(content, tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth").kind == "nnssl"


def test_published_files_hold_weights_plan_and_citations_alone(tmp_path):
    """As src/nnssl/utilities/add_adaptation_plan.py strips them; and images that were not resampled."""
    content = nnssl_content()
    content["nnssl_adaptation_plan"]["pretrain_plan"]["configurations"]["onemmiso"] |= {
        "spacing": None,
        "spacing_style": "noresample",
    }
    kept = ("network_weights", "citations", "nnssl_adaptation_plan")
    torch.save({key: content[key] for key in kept}, tmp_path / "x.pth")
    source = read_weights(tmp_path / "x.pth")
    assert (source.spacing, source.trainer, source.epoch) == ((), "", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture_plans": {"arch_class_name": 5}}, "architecture_plans: arch_class_name expects"),
        ({"recommended_downstream_patchsize": (0, 1, 1)}, "patch_size expects whole numbers"),
        ({"architecture_plans": []}, "architecture_plans expects"),
    ],
)
def test_plans_of_another_form_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"odd\.pth.*{message}"):
        read_weights(nnssl_file(tmp_path / "odd.pth", **changes))


def test_citations_of_either_kind_are_read_and_nonsense_passed_over():
    given = [{"apa_citations": ["A\n  B"]}, {"bibtex_citations": ["@c", 5]}, {"name": "D"}, 7, {"apa_citations": "E"}]
    assert cited(given) == "A B @c" and cited(None) == cited("x") == ""


def test_a_plan_by_nnssls_own_code_is_read(tmp_path):
    """Nnssl is not on PyPI: runs where somebody installed it (its AdaptationPlan imports no trainer)."""
    module = pytest.importorskip("nnssl.adaptation_planning.adaptation_plan")
    content = nnssl_content()
    theirs = module.AdaptationPlan.from_dict(nnssl_content()["nnssl_adaptation_plan"]).serialize()
    assert {**theirs, "keys_to_in_proj": tuple(theirs["keys_to_in_proj"])} == content["nnssl_adaptation_plan"]
    torch.save({**content, "nnssl_adaptation_plan": theirs}, tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth").spacing == (1, 1, 1)
