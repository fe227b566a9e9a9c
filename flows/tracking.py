"""The MLflow side of a run that has something to do; `finished` finds that of one that has not."""

from collections.abc import Iterator
from contextlib import contextmanager

from flows.context import RunContext
from flows.failure import explained
from flows.journal import note_mlflow_run
from medpatch.track.evidence import system_metrics
from medpatch.track.run import TrackedRun, open_tracking, parent_run


@contextmanager
def tracked(run: RunContext) -> Iterator[TrackedRun]:
    """The MLflow parent run of this pipeline run; marked FAILED if the block raises."""
    from medpatch.evaluate.name import MEDPATCH, title

    with (
        explained("mlflow"),
        parent_run(
            open_tracking(run.paths),
            run.config,
            preset=run.preset,
            data_digest=run.data_digest,
            made_up=run.made_up is not None,
            title=title(MEDPATCH),
            arm=run.arm,
        ) as parent,
        system_metrics(parent),
    ):
        note_mlflow_run(run.paths, parent.run_id)
        yield parent
