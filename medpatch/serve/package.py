"""A checkpoint as an MLflow model: code, safetensors, signature, made-up example, requirements."""

from pathlib import Path

from medpatch.config.path import REPOSITORY_DIR, switch_off_telemetry
from medpatch.model.checkpoint import read
from medpatch.serve import frame

CODE = Path(__file__).with_name("model_code.py")
LOCK = "requirements.lock"
NEEDED = (
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scipy",
    "torch",
    "torchvision",
    "transformers",
)
"""What a machine needs to serve the model; exact versions come from requirements.lock."""


def save_pyfunc(folder: Path, checkpoint_dir: Path, *, head: str, model_id: str | None = None) -> None:
    """Write an MLflow model folder.

    Args:
        folder: to make; must not exist.
        checkpoint_dir: of a MedPatch.
        head: "late", "high" or "low".
        model_id: MLflow's id of the logged model that the folder becomes.
    """
    switch_off_telemetry()
    import mlflow.pyfunc
    from mlflow.models import Model

    spec = read(checkpoint_dir, kind="medpatch").spec
    made_up = frame.example(spec.modalities, image_size_px=spec.image_size_px)
    mlflow.pyfunc.save_model(
        folder,
        mlflow_model=Model(model_id=model_id) if model_id else None,
        python_model=str(CODE),
        artifacts={"checkpoint": str(checkpoint_dir)},
        code_paths=[str(REPOSITORY_DIR / "medpatch")],
        signature=signature(checkpoint_dir),
        input_example=made_up,
        model_config={"head": head},
        pip_requirements=locked_requirements(),
    )


def signature(checkpoint_dir: Path):
    """Types of the rows in and of the probabilities out (mlflow.models.ModelSignature)."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    types = {
        "ehr": Array(Array(DataType.double)),
        "ehr_observed": Array(Array(DataType.boolean)),
        "cxr": DataType.string,
        "rr": Array(Array(DataType.long)),
        "dn": Array(Array(DataType.long)),
    }
    spec = read(checkpoint_dir, kind="medpatch").spec
    columns = [name for m in spec.modalities for name in frame.COLUMNS[m]]
    return ModelSignature(
        inputs=Schema([ColSpec(types[name], name, required=False) for name in columns]),
        outputs=Schema([ColSpec(DataType.double, name) for name in spec.label_names]),
    )


def locked_requirements(lock: Path = REPOSITORY_DIR / LOCK) -> list[str]:
    """The lines of the lock file that serving needs."""
    lines = [line.strip() for line in lock.read_text().splitlines() if "==" in line and not line.startswith("#")]
    return [line for line in lines if line.split("==")[0].lower() in NEEDED]
