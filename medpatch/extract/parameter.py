"""What the configuration says to SQL: one value per $name."""

from medpatch.config.modality import TextArm
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig


def sql_parameters(config: PipelineConfig) -> dict[str, object]:
    """Every name that a file in sql/ may want bound."""
    modalities = config.modality.modalities
    return {
        "corrections": [str(rule) for rule in config.corrections],
        "window_hours": config.cohort.window_hours,
        "min_age_years": config.cohort.min_age_years,
        "view_position": config.cohort.view_position,
        "split_seed": config.split.seed,
        "val_fraction": config.split.val_fraction,
        "test_fraction": config.split.test_fraction,
        "uses_split_list": config.split.list_dir is not None,
        "uses_cxr": Modality.CXR in modalities,
        "uses_rr": Modality.RR in modalities,
        "uses_dn": Modality.DN in modalities,
        "without_cxr_reports": TextArm.RADIOLOGY_WITHOUT_CXR_REPORTS in config.modality.text_arms,
    }
