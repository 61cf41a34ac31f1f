"""Settings that nnU-Net's plans carry, so that ``-p`` names the variant and the model folder shows it.

The block ``"nnunet_uad"`` of a plans file, written by ``nnunet_uad settings``::

    {"settings": {"noise_std": [2, 4], "nnUNetTrainerDAEPretrained": {"learning_rate": 0.001}}, "version": "0.1.0"}

A key holds for every trainer that has it; below a trainer's name stand keys of this trainer alone, which win.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nnunet_uad import __version__
from nnunet_uad.common.nnunet import FOLDER_NAME
from nnunet_uad.common.schema import nearest, shown
from nnunet_uad.common.settings import SETTINGS_VARIABLE, build_settings, read_settings, settings_from, typed
from nnunet_uad.common.trainer_names import base_name

#: Key of what nnunet_uad keeps in plans.
BLOCK = "nnunet_uad"

T = TypeVar("T")


@dataclass(frozen=True)
class ChosenSettings(Generic[T]):
    """Settings of a training, and where each that is no default comes from.

    Attributes:
        settings: Settings dataclass.
        origins: Name of a setting → ``plans NAME`` or ``nnUNet_uad_settings``; defaults are left out.
    """

    settings: T
    origins: dict[str, str]

    @property
    def source(self) -> str:
        """All origins in words, for errors of what checks the settings later."""
        return ", ".join(dict.fromkeys(self.origins.values())) or SETTINGS_VARIABLE


def choose_settings(cls: type[T], trainer: str, plans: Mapping[str, Any]) -> ChosenSettings[T]:
    """Settings of a training: the environment variable wins over the plans, the plans over the defaults.

    Args:
        cls: Settings dataclass of the trainer.
        trainer: Name of the trainer, of any length.
        plans: Content of the plans.

    Raises:
        ValueError: Settings that the trainer refuses, or plans whose settings another version wrote.
    """
    source = f"plans {plans.get('plans_name')}"
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    carried = settings_of_trainer(carried_settings(plans, check_version=True), trainer, known)
    with settings_from(source):
        settings = build_settings(cls, carried, cls())
    chosen = read_settings(cls, defaults=settings)
    given = [f for f in known if getattr(chosen, f) != getattr(settings, f)]
    origins = {**dict.fromkeys(carried, source), **dict.fromkeys(given, SETTINGS_VARIABLE)}
    return ChosenSettings(chosen, {key: origins[key] for key in known if key in origins})


def carried_settings(plans: Mapping[str, Any], check_version: bool = False) -> dict[str, Any]:
    """Settings that the plans carry, of all trainers.

    Args:
        plans: Content of the plans.
        check_version: Whether to refuse settings that another release wrote, whose keys may mean something else.

    Raises:
        ValueError: A block of another form, or settings of another release; names the command that writes them again.
    """
    block = plans.get(BLOCK, {})
    _check_form(plans, block)
    settings, version = block.get("settings", {}), block.get("version")
    if settings and check_version and _release(version) != _release(__version__):
        name, dataset = plans.get("plans_name"), plans.get("dataset_name")
        raise ValueError(
            f"The plans {name} carry settings of {_writer(version)}, this is {__version__}: their keys may mean "
            "something else by now. Check and write them again: "
            f"nnunet_uad settings -d {dataset} -p {name} --name {name} --overwrite; or, where a setting exists no "
            f"longer, start again from the original plans: {_command(plans)}"
        )
    return settings


def _check_form(plans: Mapping[str, Any], block: Any) -> None:
    """Refuse a block that somebody wrote by hand and that is none."""
    where, entry = f'"{BLOCK}"', block
    if isinstance(block, Mapping):
        where, entry = f'"settings" of "{BLOCK}"', block.get("settings", {})
        if isinstance(entry, Mapping):
            wrong = [key for key in entry if is_trainer_name(key) and not isinstance(entry[key], Mapping)]
            if not wrong:
                return
            where, entry = f'{wrong[0]!r} in the settings of "{BLOCK}"', entry[wrong[0]]
    raise ValueError(
        f'The plans {plans.get("plans_name")} are broken: "{BLOCK}" expects {{"settings": {{KEY: VALUE, TRAINER: '
        f'{{KEY: VALUE}}}}, "version": …}}, found {typed(entry)} for {where}. Write them again: {_command(plans)}'
    )


def _command(plans: Mapping[str, Any]) -> str:
    """What writes the plans from the original ones."""
    name, dataset = plans.get("plans_name"), plans.get("dataset_name")
    return f"nnunet_uad settings -d {dataset} -p ORIGINAL_PLANS --name {name} --overwrite KEY=VALUE …"


def _writer(version: str | None) -> str:
    return f"nnunet_uad {version}" if version else "an unknown version"


def _release(version: str | None) -> list[str]:
    """Major and minor number: patches change no setting."""
    return str(version).split(".")[:2]


def settings_of_trainer(settings: Mapping[str, Any], trainer: str, known: Collection[str]) -> dict[str, Any]:
    """What plans say to one trainer.

    Args:
        settings: Settings that plans carry.
        trainer: Name of the trainer, of any length.
        known: Names of its settings; what else holds for all trainers is for the others.

    Returns:
        Those for all trainers, overridden by those below the trainer's name, which may hold unknown keys.
    """
    common = {k: v for k, v in settings.items() if not is_trainer_name(k) and k in known}
    return {**common, **settings.get(base_name(trainer), {})}


def is_trainer_name(key: str) -> bool:
    """Whether a key of the settings names a trainer, below which settings of that trainer alone stand.

    Args:
        key: Key of the settings that plans carry.
    """
    return key.startswith("nnUNet")


def check_carried(settings: Mapping[str, Any], classes: Mapping[str, type]) -> None:
    """Refuse settings that no trainer has, and values that a trainer which has them would refuse.

    Args:
        settings: Settings that plans are to carry.
        classes: Name of a trainer → its settings dataclass, of all trainers.

    Raises:
        ValueError: Naming the setting, the nearest one or what is expected, and the trainer.
    """
    keys = {f.name for cls in classes.values() for f in dataclasses.fields(cls)}
    for key in settings:
        if is_trainer_name(key) and key not in classes:
            raise no_such_trainer(key, classes)
        if not is_trainer_name(key) and key not in keys:
            raise ValueError(
                f"No trainer has a setting {key!r}.{nearest(key, sorted(keys))} (nnunet_uad settings --list shows all)"
            )
    for trainer, cls in classes.items():
        with settings_from(trainer):
            known = [f.name for f in dataclasses.fields(cls)]
            build_settings(cls, settings_of_trainer(settings, trainer, known), cls())


def no_such_trainer(name: str, trainers: Collection[str]) -> ValueError:
    """The error to raise for a trainer without settings of ours.

    Args:
        name: Name that was given.
        trainers: Names of all trainers.
    """
    if base_name(name) == "nnUNetTrainer":
        return ValueError("nnU-Net's own nnUNetTrainer has no settings; nnUNetTrainerFromScratch, its like here, has.")
    return ValueError(f"There is no trainer {name!r}.{nearest(name, list(trainers))} (nnunet_uad doctor lists all)")


def plans_variant(
    plans: Mapping[str, Any],
    name: str,
    given: Mapping[str, Any],
    classes: Mapping[str, type],
    trainer: str | None = None,
) -> dict[str, Any]:
    """A copy of plans under another name, with further settings; preprocessed data are those of the original.

    Args:
        plans: Content of the plans; settings that they carry already are kept.
        name: Name of the copy, part of the names of model folders.
        given: Settings to add.
        classes: Name of a trainer → its settings dataclass, of all trainers.
        trainer: Name of the trainer that the settings are for; all that have them if omitted.

    Raises:
        ValueError: A name that model folders cannot carry, no such trainer, or settings that :func:`check_carried`
            refuses.
    """
    if not re.fullmatch(FOLDER_NAME, name) or name.endswith(".json"):
        raise ValueError(
            f"--name expects a name for plans like nnUNetPlans_strong, without '__' or '/', found {shown(name)}."
        )
    if trainer is not None and base_name(trainer) not in classes:
        raise no_such_trainer(trainer, classes)
    for key in filter(is_trainer_name, given):
        raise ValueError(
            f"{key} is a trainer, not a setting: nnunet_uad settings -d {plans.get('dataset_name')} --name {name} "
            f"-tr {key} KEY=VALUE"
        )
    settings = dict(carried_settings(plans))
    if trainer is None:
        settings |= given
    elif given:
        settings[base_name(trainer)] = {**settings.get(base_name(trainer), {}), **given}
    if not settings:
        raise ValueError("Say which settings the plans are to carry: KEY=VALUE (nnunet_uad settings --list shows all)")
    check_carried(settings, classes)
    return {**plans, "plans_name": name, BLOCK: {"settings": settings, "version": __version__}}


def trainers_with(key: str, classes: Mapping[str, type]) -> list[str]:
    """Names of the trainers that have a setting.

    Args:
        key: Name of the setting.
        classes: Name of a trainer → its settings dataclass.
    """
    return [name for name, cls in classes.items() if key in {f.name for f in dataclasses.fields(cls)}]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two plans files of one name but for the version, in words; nothing if they are the same.

    Args:
        old: Content of the plans that there are.
        new: Content of the plans that are to replace them.
    """
    before, after = _flat(carried_settings(old)), _flat(carried_settings(new))
    words = [
        f"{key}: {before.get(key, 'default')} would become {after.get(key, 'default')}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]
    parts = [key for key in {**old, **new} if key != BLOCK and old.get(key) != new.get(key)]
    return [*words, *([f"another {', '.join(parts)} than the plans to copy"] if parts else [])]


def other_version(plans: Mapping[str, Any]) -> str:
    """Which other version wrote the settings of plans, in words; empty if it was this one.

    Args:
        plans: Content of plans that carry settings.
    """
    version = plans[BLOCK].get("version")
    return "" if version == __version__ else f"{_writer(version)}, this is {__version__}"


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """``KEY`` or ``KEY of TRAINER`` → value as it is typed."""
    flat: dict[str, str] = {}
    for key, entry in settings.items():
        nested = {f"{k} of {key}": v for k, v in entry.items()} if isinstance(entry, dict) else {key: entry}
        flat |= {k: typed(v) for k, v in nested.items()}
    return flat
