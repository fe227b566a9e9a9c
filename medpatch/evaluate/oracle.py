"""Best possible probabilities of made-up data, beside which a model can be seen to fall short."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from medpatch.config.name import Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import preset
from medpatch.contract.prediction import ORACLE_SCHEMA
from medpatch.evaluate.metric import auroc, macro
from medpatch.evaluate.name import is_unimodal
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.summary import ModelResult


def oracle_auroc(
    oracle_dir: Path, prediction: SplitPrediction, *, task: Task, sets: tuple[str, ...]
) -> tuple[Mapping[str, float], tuple[str, ...]]:
    """Macro AUROC of the oracle of each modality set on the judged stays, and what had to be left out.

    Args:
        oracle_dir: Parquet files of ORACLE_SCHEMA.
        prediction: the judged stays.
        task: which rows.
        sets: modality sets, "ehr+cxr+rr".

    Returns:
        Modality set -> macro AUROC; sentences about sets that are absent or do not cover every stay.
    """
    try:
        table = ds.dataset(sorted(oracle_dir.glob("*.parquet")), schema=ORACLE_SCHEMA).to_table(
            filter=(pc.field("task") == str(task)) & pc.field("stay_id").isin(prediction.stay_id.tolist())
        )
    except (OSError, pa.ArrowInvalid) as error:
        return {}, (f"oracle: {oracle_dir.name} cannot be read ({error}); its columns are left out",)
    found, left_out = {}, []
    for name in sets:
        rows = table.filter(pc.equal(table["modality_set"], name))
        probability = _matrix(rows, prediction)
        if np.isnan(probability).any():
            uncovered = int(np.isnan(probability).any(axis=1).sum())
            left_out.append(f"oracle: {name} does not cover {uncovered} of {len(probability)} judged stays; left out")
            continue
        found[name] = macro(auroc(probability, prediction.label)).value
    return found, tuple(left_out)


def gap_closed(model: float, *, best_single: float, oracle_all: float) -> float:
    """Share of the way from the best single modality to the oracle of all; NaN where there is no way."""
    way = oracle_all - best_single
    return (model - best_single) / way if way > 0 else float("nan")


def covers(config: PipelineConfig) -> bool:
    """True where the oracle knows what the models were given: the published extraction, its window, every report.

    Another rule, arm or window gives a model more or less than the oracle was computed for.
    """
    own = preset(str(config.cohort.task)).cohort
    return not config.cohort.rules and not config.modality.text_arms and config.cohort.window_hours == own.window_hours


def strongest_single(results: Sequence[ModelResult]) -> ModelResult | None:
    """The unimodal model with the best AUROC on the judged stays: where the way to the oracle starts.

    It is taken there and not on validation, so that no model's share of the way is larger because validation
    happened to favour a weaker modality.
    """
    singles = [r for r in results if is_unimodal(r.model) and np.isfinite(r.macro.auroc.value)]
    return max(singles, key=lambda r: r.macro.auroc.value, default=None)


def _matrix(rows: pa.Table, prediction: SplitPrediction) -> np.ndarray:
    """(N, K) probabilities, NaN where the oracle has no row."""
    probability = np.full(prediction.label.shape, np.nan)
    place = pc.index_in(rows["label_name"], pa.array(prediction.label_names))
    known = pc.is_valid(place).to_numpy(zero_copy_only=False)
    stay = np.searchsorted(prediction.stay_id, rows["stay_id"].to_numpy())
    column = pc.fill_null(place, 0).to_numpy()
    probability[stay[known], column[known]] = rows["probability"].to_numpy()[known]
    return probability
