"""Which parts of the source decide the content of each kind of folder; a change in them makes it stale."""

EXTRACT_CODE = ("extract", "sql")
TENSOR_CODE = ("align", "sql")
GATE_CODE = ("expectations", "validate")
FEATURE_CODE = ("data", "feature", "model")
STAGE_CODE = ("data", "feature", "model", "train")
PREDICTION_CODE = ("data", "evaluate", "feature", "model")
REPORT_CODE = ("evaluate",)
MODEL_CODE = tuple(sorted({*GATE_CODE, *STAGE_CODE, *PREDICTION_CODE, *REPORT_CODE}))
"""Everything after the tensors."""
