"""The pyfunc model, run by MLflow from this file: weights come from safetensors, nothing is unpickled."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from medpatch.data.collate import collate
from medpatch.model.checkpoint import load_medpatch, read
from medpatch.serve.frame import to_records


class MedPatchModel(PythonModel):
    """Rows like those of a shard in, one probability per label out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the checkpoint that was logged; the head is part of the model's configuration."""
        folder = Path(context.artifacts["checkpoint"])
        self.spec = read(folder).spec
        self.network = load_medpatch(folder)
        self.head = context.model_config["head"]

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """(rows, K) probabilities, columns named after the labels."""
        spec = self.spec
        records = to_records(model_input, label_count=spec.label_count, image_size_px=spec.image_size_px)
        with torch.inference_mode():
            output = self.network(collate(records, spec.modalities, image_size_px=spec.image_size_px))
        probability = getattr(output, self.head).sigmoid().double().numpy()
        return pd.DataFrame(probability, columns=list(spec.label_names))


set_model(MedPatchModel())
