"""Where numbers come from: versions, machines, hours, and what to cite."""

from __future__ import annotations

from collections.abc import Iterable

from nnunet_uad.report.collect import Results
from nnunet_uad.study.running.revision import revision

NNUNET = (
    "Isensee F, Jaeger PF, Kohl SAA, Petersen J, Maier-Hein KH. nnU-Net: a self-configuring method for deep "
    "learning-based biomedical image segmentation. Nature Methods 18, 203-211 (2021)."
)
SNAKEMAKE = (
    "Mölder F, Jablonski KP, Letcher B, et al. Sustainable data analysis with Snakemake. F1000Research 10, 33 (2021)."
)
STATISTICS = (
    "Hesterberg TC. What teachers should know about the bootstrap. The American Statistician 69, 371-386 (2015).",
    "Weerahandi S. Generalized confidence intervals. Journal of the American Statistical Association 88, 899-905 "
    "(1993).",
    "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bulletin 1, 80-83 (1945).",
    "Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6, 65-70 "
    "(1979).",
    "Kerby DS. The simple difference formula: an approach to teaching nonparametric correlation. Comprehensive "
    "Psychology 3 (2014).",
    "Figueroa RL, Zeng-Treitler Q, Kandula S, Ngo LH. Predicting sample size required for classification performance. "
    "BMC Medical Informatics and Decision Making 12, 8 (2012).",
)


def citations(results: Results) -> list[str]:
    """nnU-Net, the methods that were pretrained, the workflow, the statistics."""
    methods = sorted({p["citation"] for p in results.pretrainings.values() if p.get("citation")})
    return [NNUNET, *methods, SNAKEMAKE, *STATISTICS]


def provenance(results: Results) -> dict[str, str]:
    """Label → value, for the page's last table."""
    jobs = [*results.trainings.values(), *results.pretrainings.values()]
    versions = {name: _joined(j["versions"].get(name, "?") for j in jobs) for name in ("nnunetv2", "torch", "python")}
    hours = {stage: f"{seconds / 3600:.2f} h" for stage, seconds in results.seconds.items()}
    return {
        "nnunet_uad": _joined(j["versions"].get("nnunet_uad", "?") for j in jobs),
        "git revision of nnunet_uad": _joined(j.get("revision", "unknown") for j in jobs),
        "git revision that wrote this page": revision() or "not a clone",
        **versions,
        "computed on": _joined(j["device"] for j in jobs),
        "time, pretraining": hours.get("pretrain", "none"),
        "time, training": hours.get("train", "none"),
        "time, testing": hours.get("test", "none"),
        **({"time, anomaly maps": hours["map"]} if "map" in hours else {}),
        "seed": str(results.layout.plan["seed"]),
        "fingerprint of the dataset": results.layout.plan["fingerprint"],
    }


def _joined(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))) or "unknown"
