"""Comparisons are paired, choices fall on validation, small and odd splits are named instead of failing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medpatch.config.name import PHENOTYPES, Split, Task
from medpatch.config.override import apply_overrides
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.judge import Verdict, choose_single, judge
from medpatch.evaluate.metric import SingleClassWarning, auroc
from medpatch.evaluate.name import AVAILABILITY, PHENOTYPE_GROUP, Group, in_order, is_unimodal, style
from medpatch.evaluate.oracle import strongest_single
from medpatch.evaluate.prediction import ModelPrediction, SplitPrediction, read_predictions
from medpatch.evaluate.section_result import _findings

from .made_up import made_up_rows, write_oracle, write_rows


def judged(val: SplitPrediction, test: SplitPrediction, config: PipelineConfig, **ways) -> Verdict:
    """The verdict on one run."""
    return judge((val,), (test,), config=config, **ways)


def both_splits(
    folder: Path, config: PipelineConfig, task: Task, *, stays: int = 120
) -> tuple[SplitPrediction, SplitPrediction]:
    path = write_rows(made_up_rows(task, stays=stays), folder)
    val, test = (read_predictions(path, s, label_names=config.labels) for s in (Split.VAL, Split.TEST))
    return val, test


@pytest.fixture
def splits(tmp_path: Path, mortality: PipelineConfig) -> tuple[SplitPrediction, SplitPrediction]:
    return both_splits(tmp_path, mortality, Task.IN_HOSPITAL_MORTALITY)


def test_every_model_is_judged_on_every_test_stay(splits, mortality: PipelineConfig) -> None:
    verdict = judged(*splits, mortality, oracle_dir=None, head="late")
    assert [r.model for r in verdict.results] == list(in_order(splits[1].models))
    assert {r.stays for r in verdict.results} == {120}


def test_single_modality_is_also_judged_on_its_own_stays_beside_medpatch(splits, mortality: PipelineConfig) -> None:
    verdict = judged(*splits, mortality, oracle_dir=None, head="late")
    cxr = [r for r in verdict.own_stays if r.subset == "cxr"]
    rows = splits[1].models["unimodal_cxr"].is_available
    assert [(r.model, r.stays) for r in cxr] == [("unimodal_cxr", rows.sum()), ("medpatch", rows.sum())]
    expected = auroc(splits[1].models["medpatch"].logit[rows], splits[1].label[rows])[0]
    assert cxr[1].macro.auroc.value == expected


def test_best_single_modality_is_chosen_on_validation_even_if_another_wins_on_test(splits) -> None:
    val, test = splits
    perfect = ModelPrediction(test.label * 2.0 - 1, test.label * 1.0, np.ones(120, bool))
    test = replace(test, models={**test.models, "unimodal_cxr": perfect})
    assert choose_single((val,), ("unimodal_cxr", "unimodal_ehr"))[0] == "unimodal_ehr"


def test_every_validation_stay_helps_to_choose_the_best_single_modality(splits) -> None:
    val, _ = splits
    perfect = ModelPrediction(val.label * 2.0 - 1, val.label * 1.0, np.ones(len(val.label), bool))
    spoilt = perfect.logit.copy()
    spoilt[np.flatnonzero(val.label[:, 0])[0]] = -2.0  # one death of all of them
    for name, other in (("unimodal_ehr", "unimodal_cxr"), ("unimodal_cxr", "unimodal_ehr")):
        models = {name: perfect, other: replace(perfect, logit=spoilt)}
        assert choose_single((replace(val, models=models),), ("unimodal_ehr", "unimodal_cxr"))[0] == name


def test_choice_without_two_classes_in_validation_is_said(splits) -> None:
    val = replace(splits[0], label=np.zeros_like(splits[0].label))
    chosen, notes = choose_single((val,), ("unimodal_ehr", "unimodal_cxr"))
    assert chosen == "unimodal_ehr"
    assert "no label has two classes in the val split" in notes[0]


def test_difference_from_the_best_single_modality_is_paired(splits, mortality: PipelineConfig) -> None:
    verdict = judged(*splits, mortality, oracle_dir=None, head="late")
    main, single = verdict.main, verdict.of(verdict.best_single)
    assert main.difference.value == pytest.approx(main.macro.auroc.value - single.macro.auroc.value)
    assert (single.difference.low, single.difference.high) == (0.0, 0.0)


@pytest.mark.parametrize(
    "changed",
    [
        {"cohort.profile": "corrected"},
        {"cohort.corrections": ["race_group"]},
        {"cohort.window_hours": 24},
        {"modality.text_arms": ["reports_known_by_window_end"]},
    ],
)
def test_oracle_of_another_extraction_is_left_out_by_name(
    splits, mortality: PipelineConfig, tmp_path: Path, changed: dict
) -> None:
    task = Task.IN_HOSPITAL_MORTALITY
    oracle_dir = write_oracle(made_up_rows(task), tmp_path / "oracle", task=task)
    verdict = judged(*splits, apply_overrides(mortality, changed), oracle_dir=oracle_dir, head="late")
    assert {r.oracle_auroc for r in verdict.results} == {None}
    assert any(w.startswith("oracle: it is known for the published extraction") for w in verdict.warnings)


def test_model_that_reads_no_content_has_no_oracle(splits, mortality: PipelineConfig, tmp_path: Path) -> None:
    task = Task.IN_HOSPITAL_MORTALITY
    oracle_dir = write_oracle(made_up_rows(task), tmp_path / "oracle", task=task)
    val, test = (replace(s, models={**s.models, AVAILABILITY: s.models["early"]}) for s in splits)
    verdict = judged(val, test, mortality, oracle_dir=oracle_dir, head="late")
    assert verdict.of("early").oracle_auroc is not None
    assert (verdict.of(AVAILABILITY).oracle_auroc, verdict.of(AVAILABILITY).gap_closed) == (None, None)


def test_gap_closed_is_the_share_of_the_way_from_best_single_to_oracle(
    splits, mortality: PipelineConfig, tmp_path: Path
) -> None:
    task = Task.IN_HOSPITAL_MORTALITY
    oracle_dir = write_oracle(made_up_rows(task), tmp_path / "oracle", task=task)
    verdict = judged(*splits, mortality, oracle_dir=oracle_dir, head="late")
    main, single = verdict.main, strongest_single(verdict.results)
    assert single.macro.auroc.value == max(r.macro.auroc.value for r in verdict.results if is_unimodal(r.model))
    way = main.oracle_auroc - single.macro.auroc.value
    assert main.gap_closed == pytest.approx((main.macro.auroc.value - single.macro.auroc.value) / way)
    assert single.gap_closed is None
    assert single.oracle_auroc != main.oracle_auroc


def test_oracle_that_does_not_cover_the_stays_is_left_out_and_said(
    splits, mortality: PipelineConfig, tmp_path: Path
) -> None:
    task = Task.IN_HOSPITAL_MORTALITY
    oracle_dir = write_oracle(made_up_rows(task, stays=100), tmp_path / "oracle", task=task)
    verdict = judged(*splits, mortality, oracle_dir=oracle_dir, head="late")
    assert verdict.main.oracle_auroc is None
    assert any("ehr+cxr+rr does not cover 20 of 120 judged stays" in w for w in verdict.warnings)


def test_label_with_one_class_in_test_is_named_and_the_macro_says_how_many_are_left(
    tmp_path: Path, phenotyping: PipelineConfig
) -> None:
    val, test = both_splits(tmp_path, phenotyping, Task.PHENOTYPING, stays=60)
    label = test.label.copy()
    label[:, PHENOTYPES.index("Shock")] = 0
    with pytest.warns(SingleClassWarning, match="'Shock'"):
        verdict = judged(val, replace(test, label=label), phenotyping, oracle_dir=None, head="late")
    assert any(w.startswith("Shock: one class in the test split") for w in verdict.warnings)
    assert (verdict.main.macro.labels, verdict.main.macro.labels_total) == (24, 25)
    assert np.isfinite(verdict.main.macro.auroc.value)


def test_split_too_small_for_its_intervals_is_named(splits, mortality: PipelineConfig) -> None:
    val, test = splits
    label = np.zeros_like(test.label)
    label[5] = 1
    verdict = judged(val, replace(test, label=label), mortality, oracle_dir=None, head="late")
    assert any("too small for its intervals" in w for w in verdict.warnings)


def test_groups_are_macro_means_over_their_labels(tmp_path: Path, phenotyping: PipelineConfig) -> None:
    verdict = judged(
        *both_splits(tmp_path, phenotyping, Task.PHENOTYPING, stays=60), phenotyping, oracle_dir=None, head="late"
    )
    main = verdict.main
    assert [(g.name, g.labels_total) for g in main.groups] == [("acute", 13), ("mixed", 5), ("chronic", 7)]
    mixed = [s.auroc.value for s in main.labels if s.group == "mixed"]
    assert main.groups[1].auroc.value == pytest.approx(np.nanmean(mixed))


def test_groups_are_those_of_the_benchmark(shared_dir: Path) -> None:
    lines = (shared_dir / "facts" / "phenotypes.csv").read_text().splitlines()[1:]
    # names hold no commas; the kind is the second column
    published = {line.split(",")[0]: Group(line.split(",")[1]) for line in lines}
    assert published == PHENOTYPE_GROUP


def test_progress_reaches_its_total(splits, mortality: PipelineConfig) -> None:
    seen: list[tuple[int, int]] = []
    judged(*splits, mortality, oracle_dir=None, head="late", progress=lambda *step: seen.append(step))
    assert seen == [(n, 11) for n in range(1, 12)]


def test_a_model_keeps_its_look_and_a_new_one_gets_a_fixed_look() -> None:
    assert style("medpatch").colour != style("late").colour
    assert style("medfuse") == style("medfuse")
    assert in_order(["unimodal_ehr", "medfuse", "medpatch"]) == ("medpatch", "medfuse", "unimodal_ehr")


def test_single_modality_that_does_better_on_test_than_the_chosen_one_is_named_too(
    splits, mortality: PipelineConfig
) -> None:
    verdict = judged(*splits, mortality, oracle_dir=None, head="late")
    strongest = strongest_single(verdict.results)
    others = [r.model for r in verdict.results if is_unimodal(r.model) and r.model != strongest.model]
    alike, apart = (
        " ".join(_findings(replace(verdict, best_single=chosen))) for chosen in (strongest.model, others[0])
    )
    assert "which does better on these stays" not in alike
    assert f"minus {style(strongest.model).label}" in apart
    assert "which does better on these stays" in apart
