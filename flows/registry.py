"""The trained network in MLflow's registry."""

import json
from pathlib import Path

from prefect.logging import get_run_logger

from flows.context import RunContext
from flows.step import step
from medpatch.config.name import Split
from medpatch.config.train import Head
from medpatch.track.registry import Registered, register_model
from medpatch.track.run import TrackedRun


@step("register-model")
def register(run: RunContext, fusion_dir: Path, *, parent: TrackedRun) -> Registered | None:
    """A new version of this task's model; `champion` if its validation AUROC is the best on these data.

    None, with a warning, where fusion had too little to train on.
    """
    from medpatch.evaluate.prediction import HEAD_FILE
    from medpatch.serve.package import save_pyfunc
    from medpatch.train.result import read_result

    result = read_result(fusion_dir)
    if result.is_dropped:
        get_run_logger().warning("no model is registered: %s", result.reason)
        return None
    try:
        head = json.loads((run.prediction_dir / HEAD_FILE).read_text())["head"]
    except (OSError, ValueError, KeyError):
        head = str(Head.LATE)
    return register_model(
        parent,
        save=lambda folder, model_id: save_pyfunc(folder, fusion_dir, head=head, model_id=model_id),
        name=model_name(run),
        validation_auroc=validation_auroc(run),
        description=_description(run),
    )


def validation_auroc(run: RunContext) -> float | None:
    """Macro AUROC of the reported head on validation; None where no label there has both classes."""
    from medpatch.evaluate.metric import auroc, macro
    from medpatch.evaluate.name import MEDPATCH
    from medpatch.evaluate.prediction import PREDICTION_FILE, read_predictions

    val = read_predictions(run.prediction_dir / PREDICTION_FILE, Split.VAL, label_names=run.config.labels)
    found = macro(auroc(val.models[MEDPATCH].logit, val.label))
    return found.value if found.defined else None


def _description(run: RunContext) -> str:
    """What the registry says of the model of this task."""
    from medpatch.evaluate.name import MEDPATCH, TASK_WORDS, title

    data = f"**Made-up data.** {run.made_up}" if run.made_up else "MIMIC-IV."
    return (
        f"{title(MEDPATCH)} for {TASK_WORDS[run.config.cohort.task]}. {data} `champion` is the version with the best "
        "macro AUROC on validation among those of the newest data; how to serve it: docs/operations.md."
    )


def model_name(run: RunContext) -> str:
    """Registered model of this task; models of made-up data, and those of arms, which read less, are kept apart."""
    parts = ("medpatch", run.config.cohort.task, run.arm, "made-up" if run.made_up else None)
    return "-".join(str(part) for part in parts if part is not None).replace("_", "-")
