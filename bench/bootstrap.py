"""Patient-level intervals of 25 labels: ours beside a loop over scikit-learn, what one would write instead.

Run: python bench/bootstrap.py [stays] [labels] [resamples]. The loop is timed on a few resamples and scaled.
"""

import sys
import time

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from medpatch.evaluate.bootstrap import draw_subjects, replicate

TIMED_RESAMPLES = 3


def main(stays: int = 12_000, labels: int = 25, resamples: int = 1000) -> None:
    """Time both on the same made-up scores and print the ratio last."""
    random = np.random.default_rng(0)
    subject_id = random.integers(0, int(stays * 0.8), stays)
    label = (random.random((stays, labels)) < np.linspace(0.05, 0.45, labels)).astype(np.int8)
    score = random.normal(size=label.shape) + label

    start, cpu = time.perf_counter(), time.process_time()
    draws = draw_subjects(subject_id, resamples=resamples, seed=0)
    ours = replicate(score, label, draws=draws)
    ours_seconds, ours_cpu = time.perf_counter() - start, time.process_time() - cpu

    cpu = time.process_time()
    for r in range(TIMED_RESAMPLES):
        weight = draws.count[draws.subject, r]
        for k in range(labels):
            theirs = (
                roc_auc_score(label[:, k], score[:, k], sample_weight=weight),
                average_precision_score(label[:, k], score[:, k], sample_weight=weight),
            )
            np.testing.assert_allclose((ours.auroc[r, k], ours.auprc[r, k]), theirs, atol=1e-5)
    loop_cpu = (time.process_time() - cpu) / TIMED_RESAMPLES * resamples

    print(f"{stays:,} stays x {labels} labels x {resamples:,} resamples, AUROC and AUPRC, equal to 1e-5")
    print(f"ours: {ours_seconds:.1f} s ({ours_cpu:.1f} s of CPU)")
    print(f"scikit-learn in a loop: {loop_cpu:,.0f} s of CPU (from {TIMED_RESAMPLES} resamples)")
    print(f"ratio: {loop_cpu / ours_cpu:,.0f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
