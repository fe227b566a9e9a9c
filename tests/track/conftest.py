"""One tracking store for all tests of this folder: making it takes seconds."""

import pytest

from medpatch.config.path import PathConfig
from medpatch.track.run import Tracking, open_tracking


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> PathConfig:
    """Paths of a sqlite store in a folder that does not exist yet."""
    work_dir = tmp_path_factory.mktemp("tracking") / "work"
    return PathConfig(raw_dir=work_dir / "raw", work_dir=work_dir, tracking_uri=f"sqlite:///{work_dir / 'mlflow.db'}")


@pytest.fixture(scope="session")
def tracking(store: PathConfig) -> Tracking:
    """That store, opened."""
    return open_tracking(store)
