"""What the configuration says to SQL."""

import csv

from medpatch.config.cohort import Correction
from medpatch.config.override import apply_overrides
from medpatch.config.path import SQL_DIR
from medpatch.config.preset import in_hospital_mortality, phenotyping
from medpatch.extract.parameter import sql_parameters


def test_every_correction_is_a_rule_of_the_seed_and_the_other_way_round() -> None:
    with (SQL_DIR / "seed" / "extraction_rule.csv").open(newline="") as stream:
        assert [row["rule"] for row in csv.DictReader(stream)] == list(Correction)


def test_every_correction_is_described_where_deviations_are() -> None:
    text = (SQL_DIR.parent / "docs" / "deviations.md").read_text()

    assert [rule for rule in Correction if f"| {rule} |" not in text] == []


def test_every_correction_has_a_case_that_needs_it_alone_or_with_the_profile() -> None:
    folders = (SQL_DIR.parent / "tests" / "sql" / "case").glob("*/corrected_*")

    assert len(list(folders)) >= len(Correction)


def test_arm_of_known_reports_is_two_rules_in_either_profile() -> None:
    arm = {"modality.text_arms": ["reports_known_by_window_end"]}
    published = apply_overrides(phenotyping(), arm)
    corrected = apply_overrides(phenotyping(), arm | {"cohort.profile": "corrected"})

    assert published.corrections == (Correction.REPORT_WINDOW, Correction.REPORT_KNOWN)
    assert corrected.corrections == tuple(Correction)


def test_arm_without_cxr_reports_reaches_sql() -> None:
    arm = apply_overrides(in_hospital_mortality(), {"modality.text_arms": ["radiology_without_cxr_reports"]})

    assert sql_parameters(arm)["without_cxr_reports"] is True
    assert sql_parameters(in_hospital_mortality())["without_cxr_reports"] is False


def test_channels_are_numbered_in_the_order_of_their_names() -> None:
    with (SQL_DIR / "seed" / "ehr_variable.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))

    assert [int(row["channel_id"]) for row in rows] == list(range(len(rows)))
    assert [row["variable"] for row in rows] == sorted(row["variable"] for row in rows)
