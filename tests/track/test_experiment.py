"""The page of an experiment says what it is and shows results; what a person changed in it stays."""

import base64
import json
import zlib

from medpatch.config.preset import tiny_in_hospital_mortality
from medpatch.track.experiment import VIEW_TAG, ensure_experiment, runs_page
from medpatch.track.run import Tracking, parent_run


def _state(tag: str) -> dict:
    return json.loads(zlib.decompress(base64.b64decode(tag.removeprefix("deflate;"))))


def test_the_table_of_runs_shows_the_results_and_the_description_leads_to_it(tracking: Tracking) -> None:
    with parent_run(tracking, tiny_in_hospital_mortality(), preset="tiny", data_digest="d") as run:
        pass
    tags = tracking.client().get_experiment(run.experiment_id).tags
    assert _state(tags[VIEW_TAG])["selectedColumns"][0] == "metrics.`test/auroc`"
    assert f"({runs_page('', run.experiment_id)})" in tags["mlflow.note.content"]


def test_a_description_that_a_person_wrote_stays_and_what_is_missing_is_added(tracking: Tracking) -> None:
    client = tracking.client()
    experiment = client.create_experiment("medpatch/older", tags={"mlflow.note.content": "mine"})
    assert ensure_experiment(client, "older", artifact_uri=None) == experiment
    tags = client.get_experiment(experiment).tags
    assert tags["mlflow.note.content"] == "mine"
    assert VIEW_TAG in tags


def test_a_deleted_experiment_is_restored(tracking: Tracking) -> None:
    client = tracking.client()
    experiment = ensure_experiment(client, "gone", artifact_uri=None)
    client.delete_experiment(experiment)
    assert ensure_experiment(client, "gone", artifact_uri=None) == experiment
    assert client.get_experiment(experiment).lifecycle_stage == "active"
