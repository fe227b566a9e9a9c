"""Chapter on the tokens: how many are high, whether their confidence is calibrated, and whether it pays."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from medpatch.contract.confidence import BINS, ConfidenceReport, LabelConfidence
from medpatch.evaluate.census import held_out
from medpatch.evaluate.figure import GREY, INK, Picture, canvas, panel_title
from medpatch.evaluate.name import MEDPATCH, style, unimodal
from medpatch.evaluate.page import Paragraph
from medpatch.evaluate.section import Section
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import ABSENT, Table, count, number, percent

MEASURES = (
    "high_share", "high_share_positive", "high_share_negative", "accuracy_high_prior", "accuracy_low_prior",
    "accuracy_high", "accuracy_low", "ece_before", "ece_after", "nll_before", "nll_after",
)  # fmt: skip
SHARES = 7
"""So many of them are shares, the others errors."""

ByModality = Mapping[str, Sequence[ConfidenceReport]]
"""Modality -> its report of every training seed."""


def confidence_section(reports: Sequence[ConfidenceReport], *, shown: Disclosure) -> Section:
    """Tables and pictures of the held-out tokens; a sentence where training left no report.

    Args:
        reports: of every modality and training seed.
        shown: which counts may be shown.
    """
    if not reports:
        text = "Not measured: no confidence stage of this run left a confidence_report.json."
        return Section("Token confidence", (Paragraph(text),))
    found = _by_modality(reports)
    items = [modality_table(found, shown=shown)]
    if len(reports[0].labels) > 1:
        items.append(label_table(found))
    return Section("Token confidence", (*items, confidence_picture(found)))


def modality_table(found: ByModality, *, shown: Disclosure) -> Table:
    """One row per modality, mean over labels and seeds."""
    columns = (
        "Modality", "Stays", "Tokens", "High", "High, of positives", "High, of negatives",
        "Accuracy at prevalence, high", "Accuracy at prevalence, low", "Accuracy at 0.5, high", "Accuracy at 0.5, low",
        "ECE before", "ECE after", "NLL before", "NLL after",
    )  # fmt: skip
    rows = []
    for modality, reports in found.items():
        labels = [label for report in reports for label in report.labels]
        mean = {measure: _mean(labels, measure) for measure in MEASURES}
        shares = (percent(mean[measure]) for measure in MEASURES[:SHARES])
        errors = (number(mean[measure]) for measure in MEASURES[SHARES:])
        stays, key = shown.words(held_out(modality)), shown.of(held_out(modality))
        tokens = max((label.tokens for label in labels), default=0)
        rows.append((_words(modality), stays, ABSENT if key is None else count(tokens), *shares, *errors))
    caption = (
        "Validation tokens that chose neither weights nor epoch of the token predictor. High: share of tokens in the "
        "high-confidence part; of positives: among tokens of stays with the label. Unless the published score is set, "
        "high means far from what the prevalence alone says, not near 0 or 1. Accuracy at prevalence: of the decision "
        "that a token is positive where it says more than the train prevalence; a dash if training did not measure it. "
        "Accuracy at 0.5: positive where it says more than 0.5. Of a rare label a token may triple the odds, "
        "and so be high, and still stay below 0.5, so that the accuracy of high tokens there may be low though most of "
        "them are right to be alarmed, and that of the others is near one minus the prevalence. ECE and NLL: expected "
        "calibration error and mean cross-entropy of the tokens before and after the temperature, which is fitted on "
        "these same tokens: after it, they can only look better than they would "
        f"elsewhere. Means over labels{_and_seeds(found)}."
    )
    return Table("confidence", "Tokens of each modality", columns, tuple(rows), caption)


def label_table(found: ByModality) -> Table:
    """Share of high tokens of every label and modality, of positives and negatives; mean over the seeds."""
    columns = ["Label"]
    for modality in found:
        columns += [f"{modality.upper()} {what}" for what in ("pos.", "neg.", "T")]
    rows = []
    for place, name in enumerate(label.label for label in next(iter(found.values()))[0].labels):
        cells = [name]
        for reports in found.values():
            seeds = [report.labels[place] for report in reports]
            cells += [percent(_mean(seeds, f"high_share_{kind}")) for kind in ("positive", "negative")]
            cells.append(number(_mean(seeds, "temperature"), 2))
        rows.append(tuple(cells))
    caption = (
        "Share of high tokens among the tokens of stays with (pos.) and without (neg.) the label; T: "
        f"temperature of the label.{' Means over the training seeds.' if _seeds(found) > 1 else ''}"
    )
    return Table("confidence_labels", "High tokens of each class", tuple(columns), tuple(rows), caption)


def confidence_picture(found: ByModality) -> Picture:
    """Accuracy against confidence before and after temperature, and how many tokens say so; one panel per modality."""
    figure, axes = canvas(max(4.5, 2.75 * len(found) + 0.6), 3.5, columns=len(found), sharey=True)
    has_before = all(label.bin_count_before for reports in found.values() for one in reports for label in one.labels)
    look = style(MEDPATCH)
    for axis, (modality, reports) in zip(axes, found.items(), strict=True):
        tokens, _, _ = _pooled(reports)
        axis.bar(0.5 + (np.arange(BINS) + 0.5) / (2 * BINS), tokens / max(1, tokens.sum()), width=0.9 / (2 * BINS),
                 color=GREY, alpha=0.28, label="share of tokens, after")  # fmt: skip
        axis.plot([0.5, 1], [0.5, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        if has_before:
            _line(axis, reports, when="_before", color=GREY, marker="x", markersize=4.5, linewidth=1.2,
                  linestyle=(0, (4, 2)), label="accuracy before temperature")  # fmt: skip
        _line(axis, reports, when="", color=look.colour, marker=look.marker, markersize=4.5, linewidth=1.4,
              label="accuracy after")  # fmt: skip
        panel_title(axis, _words(modality))
        axis.set(xlim=(0.49, 1.01), ylim=(0, 1.03))
        axis.set_xlabel("Confidence of a token", fontsize=9, color=INK)
    axes[0].set_ylabel("Accuracy; share of tokens (bars)", fontsize=9, color=INK)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8.5, frameon=False)
    caption = (
        "Accuracy of the 0.5 decision of a token against its confidence, token-label pairs of all labels, "
        + ("before and " if has_before else "")
        + "after the temperature. On the dashed line confidence is earned. Bars: share of the pairs after it."
    )
    if (seeds := _seeds(found)) > 1:
        caption += f" Thin: each of {seeds} training seeds; thick: all their tokens together."
    return Picture("confidence", "Accuracy against confidence", caption, figure, "Validation split: held-out tokens.")


def _line(axis: Axes, reports: Sequence[ConfidenceReport], *, when: str, **look) -> None:
    """The tokens of all seeds together and, with several seeds, those of each thinly."""
    for report in reports if len(reports) > 1 else ():
        tokens, confidence, accuracy = _pooled([report], when)
        used = tokens > 0
        axis.plot(confidence[used], accuracy[used], color=look["color"], linewidth=0.7, alpha=0.4)
    tokens, confidence, accuracy = _pooled(reports, when)
    used = tokens > 0
    axis.plot(confidence[used], accuracy[used], **look)


def _pooled(reports: Sequence[ConfidenceReport], when: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(BINS,) tokens, mean confidence and accuracy over all labels of the reports."""
    labels = [label for report in reports for label in report.labels]
    tokens = np.array([getattr(label, f"bin_count{when}") for label in labels], float)
    with np.errstate(invalid="ignore"):
        means = [
            np.nansum(np.array([getattr(label, f"{name}{when}") for label in labels], float) * tokens, axis=0)
            / tokens.sum(axis=0)
            for name in ("bin_confidence", "bin_accuracy")
        ]
    return tokens.sum(axis=0), means[0], means[1]


def _by_modality(reports: Sequence[ConfidenceReport]) -> ByModality:
    found: dict[str, list[ConfidenceReport]] = {}
    for report in reports:
        found.setdefault(report.modality, []).append(report)
    return found


def _seeds(found: ByModality) -> int:
    return max(map(len, found.values()))


def _and_seeds(found: ByModality) -> str:
    return f" and {_seeds(found)} training seeds" if _seeds(found) > 1 else ""


def _mean(labels: Sequence[LabelConfidence], measure: str) -> float | None:
    known = [value for label in labels if (value := getattr(label, measure)) is not None]
    return float(np.mean(known)) if known else None


def _words(modality: str) -> str:
    return style(unimodal(modality)).label.removesuffix(" only") or ABSENT
