"""MedPatch as configured beside MedPatch trained with less to read, on the same stays."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from medpatch.config.arm import ARM_WORDS, Arm
from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.coarse import coarse_estimate
from medpatch.evaluate.compare import compare
from medpatch.evaluate.name import MEDPATCH
from medpatch.evaluate.prediction import SplitPrediction, refuse_other_runs
from medpatch.evaluate.summary import judge_models
from medpatch.evaluate.table import ABSENT, Table, interval, p_value


def arm_table(
    runs: Sequence[SplitPrediction],
    arms: Mapping[Arm, Sequence[SplitPrediction]],
    *,
    config: EvaluateConfig,
    is_coarse: bool = False,
) -> Table:
    """One row per arm, with the paired difference of the whole from it.

    Args:
        runs: the whole, one per training seed.
        arms: the same seeds with less to read, on the same stays.
        config: resamples, level, seed.
        is_coarse: the stays are so few that their number is hidden.

    Raises:
        ContractError: an arm has other stays or labels; then nothing can be paired.
    """
    together = tuple(_beside(run, {arm: found[place] for arm, found in arms.items()}) for place, run in enumerate(runs))
    judged = judge_models(together, tuple(together[0].models), config=config)
    gaps = {c.model: c for c in compare(judged, together, level=config.interval_level)}
    ci = f"[{config.interval_level:.0%} CI]"
    columns = ("Arm", f"AUROC {ci}", f"AUPRC {ci}", f"Brier {ci}", f"All minus arm, AUROC {ci}", "p, Holm")
    rows, shorten = [], coarse_estimate if is_coarse else lambda estimate: estimate
    for name, one in judged.items():
        score, gap = one.result.macro, gaps.get(name)
        numbers = tuple(interval(shorten(one)) for one in (score.auroc, score.auprc, score.brier))
        difference = (interval(shorten(gap.auroc), plus=True), p_value(gap.p_holm)) if gap else (ABSENT, ABSENT)
        rows.append((_words(name), *numbers, *difference))
    caption = (
        "MedPatch trained and tested on the same patients with less to read; paired over the same resampled patients, "
        f"corrected for {len(gaps)} comparison{'s' if len(gaps) != 1 else ''}."
    )
    return Table("arms", "What the result rests on", columns, tuple(rows), caption, (0,))


def _beside(run: SplitPrediction, arms: Mapping[Arm, SplitPrediction]) -> SplitPrediction:
    """MedPatch of the run and of each arm, as models of one prediction."""
    main = {MEDPATCH: run.models[MEDPATCH]}
    alone = {f"arm {arm}": replace(other, models={MEDPATCH: other.models[MEDPATCH]}) for arm, other in arms.items()}
    refuse_other_runs({"the run as configured": replace(run, models=main), **alone})
    return replace(run, models=main | {str(arm): other.models[MEDPATCH] for arm, other in arms.items()})


def _words(name: str) -> str:
    return "As configured" if name == MEDPATCH else ARM_WORDS[Arm(name)]
