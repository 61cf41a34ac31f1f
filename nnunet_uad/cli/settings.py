r"""Settings of the trainers: what there is, and plans that carry some.

Plans with settings are a copy of a plans file under another name: -p names the variant, model folders show it, --c
continues with the same. Preprocessed data are shared with the original.
The environment variable nnUNet_uad_settings wins over the plans, the plans over the defaults.

Examples:
    nnunet_uad settings --list -tr nnUNetPretrainerDAE
    nnunet_uad settings -d 901 --name nnUNetPlans_strong noise_std=[2,4]
    nnunet_uad settings -d 901 -p nnUNetPlans_strong --name nnUNetPlans_strong --overwrite \\
        -tr nnUNetTrainerDAEPretrained learning_rate=0.001
    nnUNetv2_train 901 2d 0 -tr nnUNetPretrainerDAE -p nnUNetPlans_strong
"""

from __future__ import annotations

import argparse
import os
import shutil
import textwrap
from pathlib import Path
from typing import Any

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import dataset_folder, require_configuration
from nnunet_uad.common.nnunet_files import load_plans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("assignments", nargs="*", metavar="KEY=VALUE", help="settings; lists in brackets without spaces inside")
    add("--list", action="store_true", help="print the settings of -tr, or of all trainers, with default and meaning")
    add("--markdown", action="store_true", help="print docs/settings.md, or what -tr alone takes")
    add("-d", metavar="DATASET", help="dataset number or name")
    add("-c", metavar="CONFIGURATION", help="refuse plans without it; named in the command that is printed")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans to copy (default: nnUNetPlans)")
    add("-tr", metavar="TRAINER", help="settings of this trainer alone (default: of every trainer that has them)")
    add("--name", metavar="PLANS", help="name of the copy, e.g. nnUNetPlans_strong")
    add("--overwrite", action="store_true", help="replace plans of that name that carry other settings")


def run(arguments: argparse.Namespace) -> int:
    """List, document, or write plans."""
    _refuse_two_tasks(arguments)
    if arguments.markdown:
        print(_markdown(arguments.tr), end="")
        return 0
    if arguments.list:
        print(_listing(arguments.tr))
        return 0
    if arguments.d is None or arguments.name is None:
        raise ValueError(
            "Name the dataset and the new plans: nnunet_uad settings -d DATASET --name PLANS KEY=VALUE …; or list what "
            "there is: nnunet_uad settings --list -tr TRAINER"
        )
    return _write(arguments)


def _refuse_two_tasks(arguments: argparse.Namespace) -> None:
    """``--list`` and ``--markdown`` write nothing, which who names plans must not overlook."""
    if not (arguments.list or arguments.markdown):
        return
    flags = {"-d": arguments.d, "-c": arguments.c, "--name": arguments.name, "--overwrite": arguments.overwrite}
    others = [flag for flag, value in flags.items() if value] + arguments.assignments
    if arguments.list and arguments.markdown:
        others.insert(0, "--markdown")
    if others:
        flag = "--list" if arguments.list else "--markdown"
        raise ValueError(
            f"{flag} only prints, beside -tr alone; found {', '.join(others)}, too. Run one after the other."
        )


def _markdown(trainer: str | None) -> str:
    from nnunet_uad.common.plan_settings import no_such_trainer
    from nnunet_uad.common.settings_docs import own_tables, settings_page
    from nnunet_uad.common.trainer_names import base_name
    from nnunet_uad.methods import settings_classes

    classes = settings_classes()
    if trainer is None:
        return settings_page(classes)
    if base_name(trainer) not in classes:
        raise no_such_trainer(trainer, classes)
    tables = own_tables(classes)
    if base_name(trainer) not in tables:
        raise ValueError(f"{trainer!r} has no settings of its own; trainers that have some: {', '.join(tables)}")
    return tables[base_name(trainer)] + "\n"


def _listing(trainer: str | None) -> str:
    from nnunet_uad.common.plan_settings import no_such_trainer
    from nnunet_uad.common.settings_docs import Setting, settings_rows, settings_sections, trainers_in_words
    from nnunet_uad.common.trainer_names import base_name
    from nnunet_uad.methods import settings_classes

    classes = settings_classes()
    width = max(60, min(120, shutil.get_terminal_size().columns))

    def shown(row: Setting) -> str:
        """A setting with its default and what it means."""
        unit = f"  in {row.range}" if row.range else ""
        unit += f"  ({row.unit})" if row.unit else ""
        meaning = textwrap.fill(row.meaning.replace("`", ""), width, initial_indent=" " * 4, subsequent_indent=" " * 4)
        return f"{row.name}={row.default}{unit}\n{meaning}"

    if trainer is None:
        sections = settings_sections(classes)
        heads = ((trainers_in_words(names, list(classes)).replace("`", ""), rows) for _, names, rows in sections)
        return "\n\n".join("\n".join([f"# {head}", *map(shown, rows)]) for head, rows in heads)
    if base_name(trainer) not in classes:
        raise no_such_trainer(trainer, classes)
    return "\n".join(map(shown, settings_rows(classes[base_name(trainer)])))


def _write(arguments: argparse.Namespace) -> int:
    from nnunet_uad.common.files import write_json
    from nnunet_uad.common.plan_settings import plans_variant
    from nnunet_uad.common.settings import parse_assignments
    from nnunet_uad.methods import settings_classes

    folder = dataset_folder("nnUNet_preprocessed", arguments.d)
    plans = load_plans(folder / f"{arguments.p}.json", f"Make it: nnUNetv2_plan_and_preprocess -d {arguments.d}")
    if arguments.c is not None:
        require_configuration(arguments.p, plans["configurations"], arguments.c)
    given = parse_assignments(" ".join(arguments.assignments))
    variant = plans_variant(plans, arguments.name, given, settings_classes(), arguments.tr)
    path = folder / f"{arguments.name}.json"
    changed = _changes(path, variant, arguments)
    write_json(path, variant)
    trained = _trained_models(folder.name, arguments.name)
    if changed and trained:
        print(f"Trained before with plans of this name, to be trained anew or renamed: {', '.join(trained)}.")
    print(f"{path} carries:")
    print("\n".join(_carried(variant)))
    print(f"Use it: nnUNetv2_train {arguments.d} {arguments.c or 'CONFIGURATION'} FOLD -tr TRAINER -p {arguments.name}")
    return 0


def _changes(path: Path, variant: dict[str, Any], arguments: argparse.Namespace) -> bool:
    """Whether models trained so far would be trained otherwise; refuses what only ``--overwrite`` may replace."""
    from nnunet_uad.common.plan_settings import carried_settings, differences, other_version

    if not path.is_file():
        return True
    again = f"nnunet_uad settings -d {arguments.d} -p {arguments.p} --name {arguments.name} KEY=VALUE …"
    old = read_mapping(path, f"Delete it, then: {again}")
    try:
        settings = carried_settings(old)
    except ValueError:
        # A broken block cannot be compared; replacing it is what its error advises.
        if arguments.overwrite:
            return True
        raise
    if not settings:
        raise ValueError(
            f"{path} are plans without settings, which models without settings are trained with; choose another --name."
        )
    changes, version = differences(old, variant), other_version(old)
    if changes and not arguments.overwrite:
        raise ValueError(f"{path} has other content: {'; '.join(changes)}. Choose another --name, or --overwrite.")
    if version and not arguments.overwrite:
        raise ValueError(f"{path} carries the same settings, of {version}. To write them as of this one: --overwrite.")
    return bool(changes)


def _trained_models(dataset: str, plans: str) -> list[str]:
    results = os.environ.get("nnUNet_results")
    return sorted(p.name for p in Path(results, dataset).glob(f"*__{plans}__*")) if results else []


def _carried(variant: dict[str, Any]) -> list[str]:
    """A line per setting: who takes it."""
    from nnunet_uad.common.plan_settings import carried_settings, trainers_with
    from nnunet_uad.common.settings import assignments
    from nnunet_uad.common.settings_docs import trainers_in_words
    from nnunet_uad.methods import settings_classes

    classes, lines = settings_classes(), []
    for key, value in carried_settings(variant).items():
        if isinstance(value, dict):
            lines += [f"  {assignments({k: v})}: {key}" for k, v in value.items()]
        else:
            takers = trainers_in_words(trainers_with(key, classes), list(classes)).replace("`", "")
            lines.append(f"  {assignments({key: value})}: {takers}")
    return lines
