"""Runs carry their identity, end with the right status and leave nothing outside the work folder."""

import socket
from pathlib import Path

import pytest

from medpatch.config.modality import TextArm
from medpatch.config.path import PathConfig
from medpatch.config.preset import tiny_in_hospital_mortality
from medpatch.track.find import has_open_run, has_run
from medpatch.track.run import Tracking, child_run, git_commit, open_tracking, parent_run

CONFIG = tiny_in_hospital_mortality()
IDENTITY = {"preset": "tiny_in_hospital_mortality", "data_digest": "abc123", "made_up": True}


def test_parent_run_logs_every_leaf_of_the_configuration(tracking: Tracking) -> None:
    with parent_run(tracking, CONFIG, **IDENTITY) as run:
        pass
    params = tracking.client().get_run(run.run_id).data.params
    assert params == {name: str(value) for name, value in CONFIG.flatten().items()}


def test_parent_run_is_tagged_with_what_one_filters_by(tracking: Tracking) -> None:
    with parent_run(tracking, CONFIG, **IDENTITY) as run:
        pass
    tags = tracking.client().get_run(run.run_id).data.tags
    expected = {
        "task": "in_hospital_mortality",
        "profile": "published",
        "preset": "tiny_in_hospital_mortality",
        "model": "medpatch",
        "modalities": "ehr+cxr+rr",
        "arm": "none",
        "data_digest": "abc123",
        "made_up": "true",
        "git_commit": git_commit().commit,
    }
    assert expected.items() <= tags.items()


def test_runs_that_read_less_are_told_apart_by_their_arm(tracking: Tracking) -> None:
    arms = {"text_arms": (TextArm.RADIOLOGY_WITHOUT_CXR_REPORTS,)}
    less = CONFIG.model_copy(update={"modality": CONFIG.modality.model_copy(update=arms)})
    with (
        parent_run(tracking, less, **IDENTITY) as own,
        parent_run(tracking, CONFIG, **IDENTITY, arm="without_dn") as run,
    ):
        pass
    found = [tracking.client().get_run(one.run_id).data.tags["arm"] for one in (own, run)]
    assert found == ["radiology_without_cxr_reports", "without_dn"]


def test_finished_run_is_marked_finished(tracking: Tracking) -> None:
    with parent_run(tracking, CONFIG, **IDENTITY) as run:
        pass
    assert tracking.client().get_run(run.run_id).info.status == "FINISHED"


def test_run_that_dies_is_marked_failed_and_the_error_goes_on(tracking: Tracking) -> None:
    with pytest.raises(RuntimeError, match="diverged"), parent_run(tracking, CONFIG, **IDENTITY) as run:
        raise RuntimeError("diverged")
    assert tracking.client().get_run(run.run_id).info.status == "FAILED"


def test_interrupted_run_is_marked_killed(tracking: Tracking) -> None:
    with pytest.raises(KeyboardInterrupt), parent_run(tracking, CONFIG, **IDENTITY) as run:
        raise KeyboardInterrupt
    assert tracking.client().get_run(run.run_id).info.status == "KILLED"


def test_child_run_hangs_below_its_parent_and_inherits_the_tags(tracking: Tracking) -> None:
    with (
        parent_run(tracking, CONFIG, **IDENTITY) as parent,
        child_run(parent, "unimodal-ehr", model="unimodal_ehr", title="EHR only", tags={"stage": "unimodal"}) as child,
    ):
        pass
    tags = tracking.client().get_run(child.run_id).data.tags
    assert tags["mlflow.parentRunId"] == parent.run_id
    assert (tags["model"], tags["stage"], tags["data_digest"]) == ("unimodal_ehr", "unimodal", "abc123")
    assert (tags["model_title"], tags["mlflow.note.content"]) == ("EHR only", "**EHR only** (`unimodal_ehr`)")


def test_dying_child_fails_the_parent_too(tracking: Tracking) -> None:
    with (
        pytest.raises(RuntimeError),
        parent_run(tracking, CONFIG, **IDENTITY) as parent,
        child_run(parent, "fusion", model="medpatch") as child,
    ):
        raise RuntimeError
    client = tracking.client()
    assert [client.get_run(run.run_id).info.status for run in (child, parent)] == ["FAILED", "FAILED"]


def test_runs_of_one_task_share_an_experiment_with_an_absolute_artifact_folder(
    tracking: Tracking, store: PathConfig
) -> None:
    with parent_run(tracking, CONFIG, **IDENTITY) as one, parent_run(tracking, CONFIG, **IDENTITY) as two:
        pass
    experiment = tracking.client().get_experiment(one.experiment_id)
    assert one.experiment_id == two.experiment_id
    assert experiment.name == "medpatch/in_hospital_mortality"
    assert experiment.artifact_location == (store.mlflow_artifact_dir / experiment.name).as_uri()


def test_tracking_leaves_nothing_in_the_current_folder(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with parent_run(tracking, CONFIG, **IDENTITY):
        pass
    assert list(tmp_path.iterdir()) == []


def test_remote_server_decides_where_artifacts_go(tmp_path: Path) -> None:
    remote = PathConfig(raw_dir=tmp_path, work_dir=tmp_path / "work", tracking_uri="http://tracking.example:5000")
    assert open_tracking(remote).artifact_dir is None
    assert not (tmp_path / "work").exists()


def test_commit_outside_a_checkout_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medpatch.track.run.REPOSITORY_DIR", tmp_path)
    git_commit.cache_clear()
    try:
        assert git_commit().commit == "unknown"
    finally:
        git_commit.cache_clear()


def test_a_run_is_known_to_its_store_until_it_is_deleted(tracking: Tracking, tmp_path: Path) -> None:
    with parent_run(tracking, CONFIG, **IDENTITY) as run:
        assert has_run(tracking, run.run_id)
    tracking.client().delete_run(run.run_id)
    assert not has_run(tracking, run.run_id)
    assert not has_run(tracking, "nonsense")
    assert not has_run(Tracking(f"sqlite:///{tmp_path / 'absent.db'}", None), run.run_id)


def test_a_run_is_open_until_it_ends_and_a_server_is_not_asked(tracking: Tracking, tmp_path: Path) -> None:
    with parent_run(tracking, CONFIG, **IDENTITY) as run:
        assert has_open_run(tracking, ["nonsense", run.run_id])
    assert not has_open_run(tracking, ["nonsense", run.run_id])
    assert not has_open_run(Tracking(f"sqlite:///{tmp_path / 'absent.db'}", None), [run.run_id])
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert not has_open_run(Tracking(address, None), [run.run_id])
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()
