"""Tables of a study: every model against the oracle, by modalities present, and the ablations.

Intervals resample patients within each made-up cohort, the same draws for every model of a cohort, and average over
its trainings and then over cohorts; "cells" are the smallest and the largest value of one cohort and training. Of
several folders, models of the same cohort and training stand in one table; the first folder's count where two have one.

Run: python bench/study_table.py OUT [OUT2 ...] [--resamples 500]
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from study_cell import ABLATIONS, MAIN, PRESETS
from study_kept import Kept, read_all

from medpatch.evaluate.bootstrap import draw_subjects, macro_replicates, percentile_interval, replicate
from medpatch.evaluate.expected import expected_auroc
from medpatch.evaluate.metric import auroc, macro
from medpatch.evaluate.oracle import gap_closed

LEVEL = 0.95
FEWEST_STAYS, FEWEST_POSITIVES = 30, 5
MEDPATCH = "medpatch"


@dataclass(frozen=True)
class Found:
    """One number of one model.

    Attributes:
        value: mean over cohorts of the mean over trainings.
        low: of its interval.
        high: of its interval.
        cells: per cohort and training.
        replicate: (R,) the same mean in every resample.
    """

    value: float
    low: float
    high: float
    cells: tuple[float, ...]
    replicate: NDArray


def found_of(kept: Sequence[Kept], score: Sequence[NDArray], *, resamples: int) -> Found:
    """Macro AUROC of one score per cell, with its interval."""
    values, means = {}, {}
    for one, matrix in zip(kept, score, strict=True):
        draws = draw_subjects(one.subject, resamples=resamples, seed=one.data)
        values.setdefault(one.data, []).append(macro(auroc(matrix, one.label)).value)
        means.setdefault(one.data, []).append(macro_replicates(replicate(matrix, one.label, draws=draws).auroc))
    whole = np.mean([np.mean(rows, axis=0) for rows in means.values()], axis=0)
    interval = percentile_interval(whole, level=LEVEL)
    value = float(np.mean([np.mean(cells) for cells in values.values()]))
    return Found(value, interval.low, interval.high, tuple(c for row in values.values() for c in row), whole)


def show_models(task: str, kept: Sequence[Kept], *, resamples: int) -> None:
    """One row per model, best first, the oracle on top."""
    having = cells_with(kept)
    everything = "+".join(kept[0].modalities)
    oracle = found_of(kept, [one.oracle[everything] for one in kept], resamples=resamples)
    found = {n: found_of(own, [one.score[n] for one in own], resamples=resamples) for n, own in having.items()}
    singles = [n for n in having if n.startswith("unimodal_")]
    single = max(singles, key=lambda n: np.mean([one.val[n] for one in kept]))
    on_test = max(singles, key=lambda n: found[n].value)
    stays = sum(len(one.label) for one in {k.data: k for k in kept}.values())
    seeds = sorted({(one.data, one.train) for one in kept})
    print(f"\n## {task}: {stays} test stays, {kept[0].label.shape[1]} labels; (data, training) seeds {seeds}")
    print("expected: AUROC on average over labels drawn from the oracle of all modalities")
    print(f"gap closed: from {single} (best single on validation) and from {on_test} (on test) to the oracle of all")
    columns = ["model", "trainings", "AUROC (95% interval)", "cells", "expected", "oracle of its input", "gap closed"]
    print("| " + " | ".join([*columns, "MedPatch minus it"]) + " |")
    print("|---|---|---|---|---|---|---|---|")
    most = np.mean([expected_auroc(k.oracle[everything], k.oracle[everything]) for k in kept])
    print(
        f"| oracle, all modalities | | {oracle.value:.4f} ({oracle.low:.3f}-{oracle.high:.3f}) | {ends(oracle)} "
        f"| {most:.4f} | | | |"
    )
    for name, one in sorted(found.items(), key=lambda item: -item[1].value):
        cells, own = having[name], name.removeprefix("unimodal_") if name in singles else everything
        bound = np.mean([macro(auroc(k.oracle[own], k.label)).value for k in cells])
        gaps = [gap_closed(one.value, best_single=found[s].value, oracle_all=oracle.value) for s in (single, on_test)]
        expected = np.mean([expected_auroc(k.score[name], k.oracle[everything]) for k in cells])
        # on the same cells: a model that takes hours may have been trained less often
        is_everywhere = len(cells) == len(kept)
        mine = (
            found[MEDPATCH]
            if is_everywhere
            else found_of(cells, [k.score[MEDPATCH] for k in cells], resamples=resamples)
        )
        difference = percentile_interval(mine.replicate - one.replicate, level=LEVEL)
        print(
            f"| {name} | {len(cells)} | {one.value:.4f} ({one.low:.3f}-{one.high:.3f}) | {ends(one)} "
            f"| {expected:.4f} | {bound:.4f} "
            f"| {gaps[0]:.0%}, {gaps[1]:.0%} "
            f"| {mine.value - one.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}) |"
        )


def cells_with(kept: Sequence[Kept]) -> dict[str, list[Kept]]:
    """The cells that have each model, MedPatch without one modality left out."""
    names = dict.fromkeys(n for one in kept for n in one.score if not n.startswith("medpatch_without"))
    return {n: [one for one in kept if n in one.score] for n in names}


def show_presence(kept: Sequence[Kept]) -> None:
    """AUROC by exactly which modalities a stay brings; mean over cells, labels without enough positives left out."""
    having = {n: cells for n, cells in cells_with(kept).items() if not n.startswith("medpatch_")}
    groups = sorted({g for one in kept for g in one.group}, key=lambda g: -sum((k.group == g).sum() for k in kept))
    groups = [g for g in groups if min((k.group == g).sum() for k in kept) >= FEWEST_STAYS]
    print("\n| model | " + " | ".join(groups) + " |")
    print("|---|" + "---|" * len(groups))
    cohorts = {k.data: k for k in kept}.values()
    print("| stays | " + " | ".join(str(sum(int((k.group == g).sum()) for k in cohorts)) for g in groups) + " |")
    everything = "+".join(kept[0].modalities)
    rows = {"oracle": [[one_group(k, k.oracle[everything], g) for k in kept] for g in groups]}
    rows |= {n: [[one_group(k, k.score[n], g) for k in cells] for g in groups] for n, cells in having.items()}
    for name, cells in sorted(rows.items(), key=lambda item: mean_of(item[1][0]), reverse=True):
        print(f"| {name} | " + " | ".join(mean_of(values) for values in cells) + " |")


def one_group(kept: Kept, score: NDArray, group: str) -> float:
    """Macro AUROC on the stays of a group over labels that can be judged there; NaN for none."""
    here = kept.group == group
    label = kept.label[here]
    positives = label.sum(axis=0)
    judged = (positives >= FEWEST_POSITIVES) & (len(label) - positives >= FEWEST_POSITIVES)
    return macro(auroc(score[here][:, judged], label[:, judged])).value if judged.any() else float("nan")


def mean_of(values: Sequence[float]) -> str:
    """Mean of those that are there, as text; empty without any."""
    there = [value for value in values if np.isfinite(value)]
    return f"{np.mean(there):.3f}" if there else ""


def show_ablations(folders: Sequence[Path], task: str, *, resamples: int) -> None:
    """MedPatch with a part taken out, minus MedPatch on the same cohorts and trainings."""
    print("\n| ablation | cells | AUROC | the same cells whole | difference (95% interval) |")
    print("|---|---|---|---|---|")
    whole = {(k.data, k.train): k for k in read_all(folders, task, MAIN)}
    for variant in ABLATIONS:
        kept = [k for k in read_all(folders, task, variant) if (k.data, k.train) in whole]
        if not kept:
            continue
        partner = [whole[k.data, k.train] for k in kept]
        mine = found_of(kept, [k.score[MEDPATCH] for k in kept], resamples=resamples)
        theirs = found_of(partner, [k.score[MEDPATCH] for k in partner], resamples=resamples)
        interval = percentile_interval(mine.replicate - theirs.replicate, level=LEVEL)
        print(
            f"| {variant} | {len(kept)} | {mine.value:.4f} | {theirs.value:.4f} "
            f"| {mine.value - theirs.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f}) |"
        )


def ends(found: Found) -> str:
    """Smallest and largest cell."""
    return f"{min(found.cells):.3f}-{max(found.cells):.3f}"


def main(folders: Sequence[Path], *, resamples: int) -> None:
    """Print what there is."""
    for task in PRESETS:
        kept = read_all(folders, task, MAIN)
        if not kept:
            print(f"\n## {task}: no cell is finished")
            continue
        show_models(task, kept, resamples=resamples)
        show_presence(kept)
        show_ablations(folders, task, resamples=resamples)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="*", help="folders of the study; without any nothing is done")
    parser.add_argument("--resamples", type=int, default=500)
    chosen = parser.parse_args()
    if chosen.out:
        main(chosen.out, resamples=chosen.resamples)
    else:
        parser.print_help()
