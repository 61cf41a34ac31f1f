"""Sets the demo's stage: the phantom dataset, or links to the user's own."""

from __future__ import annotations

from pathlib import Path

from nnunetv2.utilities.crossval_split import generate_crossval_split

from nnunet_uad.common.commands import executable
from nnunet_uad.common.files import write_json
from nnunet_uad.common.nnunet import dataset_folder, required_folder, usable_configuration
from nnunet_uad.common.nnunet_files import load_plans
from nnunet_uad.data.linked import link_preprocessed
from nnunet_uad.data.splits import NUM_FOLDS, SPLITS_FILE, splits_of
from nnunet_uad.demo.phantom import DATASET, write_dataset
from nnunet_uad.demo.story import Workspace, run_step
from nnunet_uad.training.cascade import first_stages, is_second_stage

_SMALL_PLAN = [
    "-c",
    "2d",
    "--spacing",
    "2",
    "--patch",
    "96",
    "96",
    "--features",
    "16",
    "32",
    "64",
    "128",
    "--batch",
    "8",
    "--name",
    "2d_small",
]


def phantom_workspace(root: Path, device: str, lengths: tuple[str, ...]) -> Workspace:
    """Make, plan and preprocess the phantom dataset, unless that was done before.

    Fold 0 pretrains on the healthy phantoms; fold 1 trains on one phantom with lesions. Both are validated on
    the other five.

    Args:
        root: Folder of the demo.
        device: Device to train on.
        lengths: Suffixes for the lengths of pretraining and fine-tuning.
    """
    workspace = Workspace(root, DATASET, "nnUNetPlans", "2d_small", device, *lengths)
    folder = workspace.preprocessed / DATASET
    for path in (workspace.raw, workspace.preprocessed, workspace.results):
        path.mkdir(parents=True, exist_ok=True)
    if (folder / SPLITS_FILE).exists():
        print(f"Using the phantom dataset in {workspace.raw}")
        return workspace
    write_dataset(workspace.raw)
    number = DATASET[7:10]
    run_step(workspace, "Extract fingerprint", [executable("nnUNetv2_extract_fingerprint"), "-d", number, "-np", "2"])
    run_step(workspace, "Plan", [executable("nnUNetv2_plan_experiment"), "-d", number])
    run_step(workspace, "Add a small plan", [executable("nnunet_uad"), "small-plan", "-d", number, *_SMALL_PLAN])
    run_step(workspace, "Preprocess", [executable("nnUNetv2_preprocess"), "-d", number, "-c", "2d_small", "-np", "2"])
    names = [p.name.split(".")[0] for p in sorted((workspace.raw / DATASET / "labelsTr").iterdir())]
    healthy = [n for n in names if n.startswith("healthy")]
    lesion = [n for n in names if n.startswith("lesion")]
    write_json(
        folder / SPLITS_FILE,
        [{"train": healthy, "val": lesion[1:]}, {"train": lesion[:1], "val": lesion[1:]}],
    )
    return workspace


def own_workspace(
    root: Path, dataset: str, plans: str, configuration: str, device: str, lengths: tuple[str, ...]
) -> Workspace:
    """Link the user's raw and preprocessed data into the demo's folders under splits of its own.

    Fold 0 of the dataset's own splits is taken: pretraining on its training cases, fine-tuning on the first of
    them, validation on its validation cases.

    Args:
        root: Folder of the demo.
        dataset: Number or full name of a preprocessed dataset.
        plans: Name of the plans.
        configuration: Name of the configuration.
        device: Device to train on.
        lengths: Suffixes for the lengths of pretraining and fine-tuning.

    Raises:
        ValueError: The dataset or its configuration does not exist, or has fewer than two preprocessed cases.
    """
    source = dataset_folder("nnUNet_preprocessed", dataset)
    raw = required_folder("nnUNet_raw") / source.name
    content = load_plans(source / f"{plans}.json", f"Make it: nnUNetv2_plan_and_preprocess -d {dataset}")
    available = content["configurations"]
    if configuration not in available:
        raise ValueError(
            f"{source / plans}.json has no configuration {configuration!r}; it has: {', '.join(available)} "
            "(nnunet_uad small-plan adds a small one)."
        )
    if is_second_stage(content, configuration):
        raise ValueError(
            f"{configuration} is the second stage of a cascade, which cannot be pretrained. Choose one of: "
            f"{', '.join(first_stages(content, configuration))}."
        )
    identifier = usable_configuration(content, configuration)["data_identifier"]
    cases = sorted(p.name[: -len(".pkl")] for p in (source / identifier).glob("*.pkl"))
    if len(cases) < 2:
        raise ValueError(
            f"{source / identifier} holds {len(cases)} preprocessed case(s), at least 2 are needed. Preprocess: "
            f"nnUNetv2_preprocess -d {dataset} -c {configuration} -p {plans}"
        )
    if (source / SPLITS_FILE).exists():
        first = splits_of(source)[0]
    else:
        first = generate_crossval_split(cases, seed=12345, n_splits=min(NUM_FOLDS, len(cases)))[0]
    train, val = [str(c) for c in first["train"]], [str(c) for c in first["val"]]
    workspace = Workspace(root, source.name, plans, configuration, device, *lengths)
    for path in (workspace.raw, workspace.results):
        path.mkdir(parents=True, exist_ok=True)
    if not (workspace.raw / source.name).exists():
        (workspace.raw / source.name).symlink_to(raw, target_is_directory=True)
    link_preprocessed(source, workspace.preprocessed, [{"train": train, "val": val}, {"train": train[:1], "val": val}])
    return workspace
