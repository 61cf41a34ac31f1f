import torch
from weights_helpers import Malicious

from nnunet_uad.cli.main import main


def test_what_a_file_holds_or_would_run(dae_fold, tmp_path, capsys):
    good = [str(dae_fold / name) for name in ("checkpoint_final.pth", "pretrained.safetensors")]
    assert main(["check-checkpoint", *good]) == 0
    lines = capsys.readouterr().out.splitlines()
    known = (
        "trainer nnUNetPretrainerDAE_2epochs_3iters, dataset Dataset991_Tiny, plans nnUNetPlans, configuration 2d_tiny"
    )
    for line, file, kind in zip(lines, good, ("nnunet", "nnunet_uad"), strict=True):
        assert line.startswith(f"[ok  ] {file}: no code in it; {kind}, {known}, fold 0, epoch 2, ")
        assert line.endswith(" numbers, all finite")
    torch.save({"network_weights": {"a": torch.ones(1)}, "x": Malicious(tmp_path / "ran")}, tmp_path / "evil.pth")
    (tmp_path / "empty.pth").write_bytes(b"")
    bad = [str(tmp_path / name) for name in ("evil.pth", "empty.pth", "none.pth")]
    assert main(["check-checkpoint", *bad, good[0]]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines] == ["[CODE]", "[FAIL]", "[FAIL]", "[ok  ]"]
    assert "posix.mkdir" in lines[0] and all(file in line for file, line in zip(bad, lines, strict=False))
    assert not (tmp_path / "ran").exists()
