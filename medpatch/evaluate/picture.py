"""Which pictures a report has."""

from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.figure import Picture
from medpatch.evaluate.figure_curve import pr_picture, roc_picture
from medpatch.evaluate.figure_history import History, history_picture
from medpatch.evaluate.figure_leaderboard import label_picture, leaderboard_picture
from medpatch.evaluate.figure_reliability import reliability_picture
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.prediction import SplitPrediction

HEAD_MODELS = ("medpatch_high", "medpatch_low", "medpatch_late")


def pictures_of(
    prediction: SplitPrediction, verdict: Verdict, config: PipelineConfig, *, histories: History
) -> tuple[Picture, ...]:
    """Leaderboard, ROC, precision-recall, calibration, labels and training curves; those that can be drawn.

    The separate heads are in the leaderboard alone: six lines are what a curve picture can carry.
    """
    lines = [r for r in verdict.results if r.model not in HEAD_MODELS]
    found = [
        leaderboard_picture(verdict.results, level=config.evaluate.interval_level),
        roc_picture(prediction, lines),
        pr_picture(prediction, lines),
        reliability_picture(prediction, lines, points=config.evaluate.calibration_bins),
        label_picture(verdict.main, verdict.of(verdict.best_single)) if verdict.main.groups else None,
        history_picture(histories),
    ]
    return tuple(picture for picture in found if picture is not None)
