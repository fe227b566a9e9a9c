"""Chapter on the tokens: how many are high, whether their confidence is calibrated, and whether it pays."""

from collections.abc import Sequence

import numpy as np

from medpatch.contract.confidence import BINS, ConfidenceReport, LabelConfidence
from medpatch.evaluate.census import held_out
from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.name import style, unimodal
from medpatch.evaluate.page import Paragraph
from medpatch.evaluate.section import Section
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import ABSENT, Table, count, number, percent

MEASURES = (
    "high_share", "high_share_positive", "high_share_negative", "accuracy_high", "accuracy_low", "ece_before",
    "ece_after", "nll_before", "nll_after",
)  # fmt: skip


def confidence_section(
    reports: Sequence[ConfidenceReport], *, note: Sequence[Paragraph] = (), shown: Disclosure
) -> Section:
    """Tables and pictures of the held-out tokens; a sentence where training left no report."""
    if not reports:
        text = "Not measured: no confidence stage of this run left a confidence_report.json."
        return Section("Token confidence", (Paragraph(text),))
    items = [modality_table(reports, shown=shown)]
    if len(reports[0].labels) > 1:
        items.append(label_table(reports))
    return Section("Token confidence", (*note, *items, confidence_picture(reports)))


def modality_table(reports: Sequence[ConfidenceReport], *, shown: Disclosure) -> Table:
    """One row per modality, mean over labels."""
    columns = (
        "Modality", "Stays", "Tokens", "High", "High, of positives", "High, of negatives", "Accuracy high",
        "Accuracy low", "ECE before", "ECE after", "NLL before", "NLL after",
    )  # fmt: skip
    rows = []
    for report in reports:
        mean = {measure: _mean(report.labels, measure) for measure in MEASURES}
        shares = (percent(mean[measure]) for measure in MEASURES[:5])
        errors = (number(mean[measure]) for measure in MEASURES[5:])
        stays = shown.words(held_out(report.modality))
        tokens = max((label.tokens for label in report.labels), default=0)
        rows.append(
            (
                _words(report.modality),
                stays,
                count(tokens) if stays == count(report.stays) else ABSENT,
                *shares,
                *errors,
            )
        )
    caption = (
        "Validation tokens that chose neither weights nor epoch. High: share of tokens in the high-confidence part; of "
        "positives: among the tokens of stays with the label. Accuracy: of the 0.5 decision of a token. ECE and NLL: "
        "expected calibration error and mean cross-entropy of the tokens before and after the temperature, which is "
        "fitted on these same tokens: after it, they can only look better than they would elsewhere. Means over labels."
    )
    return Table("confidence", "Tokens of each modality", columns, tuple(rows), caption)


def label_table(reports: Sequence[ConfidenceReport]) -> Table:
    """Share of high tokens of every label and modality, of positives and negatives."""
    columns = ["Label"]
    for report in reports:
        columns += [f"{report.modality.upper()} {what}" for what in ("pos.", "neg.", "T")]
    rows = []
    for place, label in enumerate(reports[0].labels):
        cells = [label.label]
        for report in reports:
            one = report.labels[place]
            cells += [percent(one.high_share_positive), percent(one.high_share_negative), number(one.temperature, 2)]
        rows.append(tuple(cells))
    caption = (
        "Share of high tokens among the tokens of stays with (pos.) and without (neg.) the label; T: "
        "temperature of the label."
    )
    return Table("confidence_labels", "High tokens of each class", tuple(columns), tuple(rows), caption)


def confidence_picture(reports: Sequence[ConfidenceReport]) -> Picture:
    """Accuracy against confidence after temperature, and how many tokens say so; one panel per modality."""
    figure, axes = canvas(max(4.5, 2.75 * len(reports) + 0.6), 3.3, columns=len(reports), sharey=True)
    for axis, report in zip(axes, reports, strict=True):
        look = style(unimodal(report.modality))
        tokens, confidence, accuracy = _pooled(report.labels)
        used = tokens > 0
        axis.bar(0.5 + (np.arange(BINS) + 0.5) / (2 * BINS), tokens / max(1, tokens.sum()), width=0.9 / (2 * BINS),
                 color=GREY, alpha=0.28, label="share of tokens")  # fmt: skip
        axis.plot([0.5, 1], [0.5, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        axis.plot(confidence[used], accuracy[used], color=look.colour, marker=look.marker, markersize=4.5,
                  linewidth=1.4, label="accuracy")  # fmt: skip
        axis.set_title(_words(report.modality), fontsize=9.5, color=INK, loc="left")
        axis.set(xlim=(0.49, 1.01), ylim=(0, 1.03))
        axis.set_xlabel("Confidence of a token", fontsize=9, color=INK)
    axes[0].set_ylabel("Accuracy; share of tokens (bars)", fontsize=9, color=INK)
    caption = (
        "Accuracy of the 0.5 decision of a token against its confidence after temperature, token-label pairs of all "
        "labels. On the dashed line confidence is earned. Bars: share of the pairs."
    )
    return Picture("confidence", "Accuracy against confidence", caption, figure)


def _pooled(labels: Sequence[LabelConfidence]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(BINS,) tokens, mean confidence and accuracy over all labels."""
    tokens = np.array([label.bin_count for label in labels], float)
    with np.errstate(invalid="ignore"):
        means = [
            np.nansum(np.array([getattr(label, name) for label in labels], float) * tokens, axis=0) / tokens.sum(axis=0)
            for name in ("bin_confidence", "bin_accuracy")
        ]
    return tokens.sum(axis=0), means[0], means[1]


def _mean(labels: Sequence[LabelConfidence], measure: str) -> float | None:
    known = [value for label in labels if (value := getattr(label, measure)) is not None]
    return float(np.mean(known)) if known else None


def _words(modality: str) -> str:
    return style(unimodal(modality)).label.removesuffix(" only") or ABSENT
