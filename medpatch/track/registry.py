"""Trained models in MLflow's registry; the alias `champion` follows the validation split."""

import logging
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medpatch.track.run import TrackedRun

logger = logging.getLogger(__name__)

CHAMPION = "champion"
NO_CHAMPION = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow calls an alias that no version has; any other error is a fault of the store."""
VALIDATION, DATA = "validation_auroc", "data_digest"


@dataclass(frozen=True)
class Registered:
    """One version in the registry.

    Attributes:
        name: registered model.
        version: its number.
        model_id: the logged model behind it.
        is_champion: True if the alias points at it.
    """

    name: str
    version: str
    model_id: str
    is_champion: bool


def register_model(
    run: TrackedRun,
    *,
    save: Callable[[Path, str], None],
    name: str,
    validation_auroc: float | None,
    description: str = "",
) -> Registered:
    """Log a model below a run, register it, and move the alias `champion` if it is the best so far.

    Models of other data than this one's are not comparable: a model of new data takes the alias, and among
    models of the same data the largest macro AUROC of the validation split has it; on a tie the earlier one.

    Args:
        run: the pipeline's run.
        save: writes an MLflow model folder: (folder to make, model id).
        name: registered model, for example "medpatch-phenotyping".
        validation_auroc: macro AUROC of the validation split; None counts as worst.
        description: of the registered model, written when its first version is.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    client = run.tracking.client()
    model = client.create_logged_model(run.experiment_id, name=name, source_run_id=run.run_id, model_type="medpatch")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        save(folder, model.model_id)
        client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
    try:
        client.create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    score = -math.inf if validation_auroc is None else validation_auroc
    version = client.create_model_version(
        name,
        source=model.artifact_location,
        run_id=run.run_id,
        model_id=model.model_id,
        description=_version_note(run, validation_auroc),
        tags={VALIDATION: str(score), DATA: run.tags.get(DATA, "")},
    ).version
    is_champion = _beats_champion(run, name, score=score)
    if is_champion:
        client.set_registered_model_alias(name, CHAMPION, version)
    logger.info("registered %s version %s%s", name, version, f" as {CHAMPION}" if is_champion else "")
    return Registered(name=name, version=str(version), model_id=model.model_id, is_champion=is_champion)


def _version_note(run: TrackedRun, validation_auroc: float | None) -> str:
    """One line that tells versions apart in the page of the registered model."""
    score = "not known" if validation_auroc is None else f"{validation_auroc:.3f}"
    return f"validation AUROC {score}, preset {run.tags.get('preset')}, data {run.tags.get(DATA)}"


def _beats_champion(run: TrackedRun, name: str, *, score: float) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        champion = run.tracking.client().get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code not in NO_CHAMPION:
            raise
        return True
    if champion.tags.get(DATA) != run.tags.get(DATA, ""):
        return True
    return score > float(champion.tags.get(VALIDATION, "-inf"))
