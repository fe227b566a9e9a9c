"""What a stage leaves beside its weights: how training went, or why there was none."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from medpatch.config.code import STAGE_CODE
from medpatch.config.error import CheckpointError
from medpatch.config.name import Modality, Stage
from medpatch.contract.artifact import writing
from medpatch.train.record import FitResult
from medpatch.train.session import Session, state_file

RESULT = "result.json"
HISTORY = "history.json"


@dataclass(frozen=True)
class StageResult:
    """One trained (or skipped) stage.

    Attributes:
        stage: which.
        name: "unimodal ehr", "confidence cxr", "fusion", "early".
        modality: of the first two stages, else None.
        is_dropped: True where there was too little to train on; the run goes on without this modality.
        reason: why, empty otherwise.
        train_stays: stays that were trained on.
        selection_stays: val stays that chose the epoch.
        best: the kept epoch as plain values, empty if dropped.
    """

    stage: Stage
    name: str
    modality: Modality | None
    is_dropped: bool
    reason: str
    train_stays: int
    selection_stays: int
    best: dict[str, float | None] = field(default_factory=dict)


def finish(
    out_dir: Path,
    result: StageResult,
    *,
    fitted: FitResult | None,
    inputs: str,
    session: Session,
    save: Callable[[Path], None] | None = None,
) -> StageResult:
    """Write the folder of a stage, whole or absent, and forget the state it could have gone on from.

    Args:
        out_dir: the folder.
        result: what the stage says about itself; its `best` is filled in.
        fitted: how training went.
        inputs: digest of what the stage depends on.
        session: of several processes only the main one writes, the others wait.
        save: adds the weights.
    """
    if session.is_main:
        with writing(out_dir, inputs=inputs, packages=STAGE_CODE) as aside:
            text = asdict(result) | {"best": fitted.best.to_json() if fitted else {}}
            (aside / RESULT).write_text(json.dumps(text, indent=1))
            if fitted:
                (aside / HISTORY).write_text(json.dumps([r.to_json() for r in fitted.history], indent=1))
            if save:
                save(aside)
        state_file(out_dir).unlink(missing_ok=True)
    session.accelerator.wait_for_everyone()
    return read_result(out_dir)


def read_result(folder: Path) -> StageResult:
    """What `finish` wrote.

    Raises:
        CheckpointError: absent or unreadable.
    """
    try:
        text = json.loads((folder / RESULT).read_text())
        modality = Modality(text["modality"]) if text["modality"] else None
        return StageResult(**(text | {"stage": Stage(text["stage"]), "modality": modality}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: no readable {RESULT}; run the train step again") from error


def read_history(folder: Path) -> list[dict[str, float | None]]:
    """Per epoch: epoch, train_loss, val_loss, val_auroc, learning_rate; None where not measured."""
    file = folder / HISTORY
    return json.loads(file.read_text()) if file.exists() else []
