"""Settings that a study gives to its trainings: refused when it is planned, not hours later in a job."""

from __future__ import annotations

from nnunet_uad.common.settings import Settings, joined, read_settings, settings_from
from nnunet_uad.common.trainer_names import base_name
from nnunet_uad.methods import NAMES, trainer_class
from nnunet_uad.study.planning.needs import needs_of
from nnunet_uad.study.sections import Pretraining
from nnunet_uad.study.study_file import Study


def check_settings(study: Study) -> None:
    """Refuse settings that a trainer of the study does not have.

    Args:
        study: Settings of the study.

    Raises:
        ValueError: An unknown setting (the nearest is suggested) or a value out of its bounds; names the arm.
    """
    for name, arm in study.trainers.items():
        if arm.screen:
            continue
        settings = study.pretraining_of(arm).settings
        # The default suits every pretrainer; classes of trainers are not imported to find that out.
        if settings != Pretraining().settings:
            for pretrainer in [arm.trainer] if arm.label_free else needs_of(arm.trainer).values():
                _check(pretrainer, settings, f"pretraining of {name}")
        if arm.label_free:
            if arm.settings:
                _check_score(arm.trainer, settings, arm.settings, f"trainers: {name}: settings")
            continue
        _check(arm.trainer, joined(study.fine_tuning.settings, arm.settings), f"fine_tuning or trainers: {name}")


def _check(trainer: str, settings: str, where: str) -> None:
    # Trainers of others say themselves what they take.
    if settings and base_name(trainer) in NAMES:
        source = f"{where}: settings"
        made = read_settings(trainer_class(base_name(trainer)).settings_class, settings, source=source)
        _refuse_alike(trainer, made, source)


def _check_score(trainer: str, pretraining: str, score: str, source: str) -> None:
    """What is said of a score stands beside what the pretraining says of it."""
    # Not before it is needed: a plan of a study must be light.
    from nnunet_uad.scoring.score_settings import ScoreSettings, score_settings

    own, base = ScoreSettings(), base_name(trainer)
    if pretraining != Pretraining().settings and base in NAMES:
        own = score_settings(read_settings(trainer_class(base).settings_class, pretraining))
    _refuse_alike(trainer, read_settings(ScoreSettings, score, source, own), source)


def _refuse_alike(trainer: str, made: Settings, source: str) -> None:
    """Refuse a score of several draws for a pretrainer whose draws are all alike."""
    from nnunet_uad.scoring.score_settings import ScoreSettings
    from nnunet_uad.scoring.standardised import DRAWING, refuse_without_draws

    base = base_name(trainer)
    if isinstance(made, ScoreSettings) and base in NAMES:
        with settings_from(source):
            refuse_without_draws(made, base in DRAWING)
