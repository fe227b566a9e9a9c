"""The evidence of the plan can be read back from the files: the oracle sees what a model may see."""

from io import BytesIO

import numpy as np
import polars as pl
from PIL import Image

from medpatch.config.name import Modality
from medpatch.synthetic.chart import GCS, channels, excursions
from medpatch.synthetic.evidence import emissions
from medpatch.synthetic.picture import FIELDS, jpeg, render
from medpatch.synthetic.plan import MARKERS, channel_of
from medpatch.synthetic.wording import filler_sentences, phrases

from .conftest import Tree

ITEMS = {  # channel -> items it may be charted under
    "mean_pressure": {"220181", "220052"},
    "systolic": {"220179", "220050"},
    "diastolic": {"220180", "220051"},
    "glucose": {"225664", "220621", "226537"},
    "acidity": {"223830", "220274"},
    "temperature": {"223761", "223762"},
}


def _charted(tree: Tree) -> pl.DataFrame:
    """Chart rows of index stays with the row of the plan and hours after intime."""
    count = tree.chunk.plan.count
    stays = pl.DataFrame({
        "stay_id": tree.chunk.stays.stay_id[:count].astype(str),
        "row": np.arange(count),
        "intime": tree.chunk.stays.intime[:count].astype("datetime64[ms]"),
    })  # fmt: skip
    chart = tree.table("mimiciv/icu/chartevents").join(stays, on="stay_id")
    hour = (pl.col("charttime").str.to_datetime(time_unit="ms") - pl.col("intime")).dt.total_seconds() / 3600
    return chart.with_columns(hour.alias("hour"), pl.col("valuenum").cast(float))


def test_numeric_excursions_in_the_chart_are_those_of_the_plan(tree: Tree) -> None:
    chart, plan = _charted(tree), tree.chunk.plan
    for e, emission in enumerate(emissions(Modality.EHR)):
        channel = channel_of(emission.symbol)
        if channel in GCS:
            continue
        low, high = excursions()[emission.symbol]
        rows = chart.filter(pl.col("itemid").is_in(list(ITEMS.get(channel, {channels()[channel]["itemid"]}))))
        value = pl.when(pl.col("itemid") == "223762").then(pl.col("valuenum") * 1.8 + 32).otherwise(pl.col("valuenum"))
        margin = 0.0051 if channel == "acidity" else 0.51  # rounding of what is written
        found = rows.filter(value.is_between(low - margin, high + margin))
        written = set(found.select("row", (pl.col("hour").ceil() - 1).cast(int)).rows())
        shown = plan.ehr_shown[:, e]
        expected = set(zip(plan.assess_stay[shown].tolist(), plan.assess_hour[shown].tolist(), strict=True))
        assert written == expected, emission.symbol


def test_coma_answers_in_the_chart_are_those_of_the_plan(tree: Tree) -> None:
    chart, plan = _charted(tree), tree.chunk.plan
    for e, emission in enumerate(emissions(Modality.EHR)):
        channel = channel_of(emission.symbol)
        if channel in GCS:
            itemid, _, telling = GCS[channel]
            rows = chart.filter(
                (pl.col("itemid") == str(itemid)) & pl.col("value").is_in([text for text, _ in telling])
            )
            assert rows.height == int(plan.ehr_shown[:, e].sum()), emission.symbol


def test_markers_tell_which_hours_were_assessed(tree: Tree) -> None:
    assert set(MARKERS) <= {*GCS, *channels()}
    eye = _charted(tree).filter(pl.col("itemid") == str(GCS["gcs_eye"][0]))
    written = set(eye.select("row", (pl.col("hour").ceil() - 1).cast(int)).rows())
    plan = tree.chunk.plan
    assert written == set(zip(plan.assess_stay.tolist(), plan.assess_hour.tolist(), strict=True))


def test_ordinary_values_never_look_like_an_excursion() -> None:
    for symbol, (low, high) in excursions().items():
        row = channels()[channel_of(symbol)]
        assert high < float(row["lowest"]) or low > float(row["highest"]), symbol


def test_laboratory_values_carry_no_evidence(tree: Tree) -> None:
    labs = tree.table("mimiciv/hosp/labevents").with_columns(pl.col("valuenum").cast(float))
    for itemid, symbols in {
        "50931": ("glucose_high", "glucose_raised"),
        "50820": ("acidity_down", "acidity_up"),
    }.items():
        value = labs.filter(pl.col("itemid") == itemid)["valuenum"]
        for symbol in symbols:
            low, high = excursions()[symbol]
            assert not value.is_between(low, high).any(), symbol


def test_sentences_of_the_notes_are_those_of_the_plan(tree: Tree) -> None:
    plan, chunk = tree.chunk.plan, tree.chunk
    note = tree.table("mimic-iv-note/note/discharge").group_by("hadm_id", maintain_order=True).last()
    text_of = dict(note.select("hadm_id", pl.col("text").str.replace_all("\n", " ")).iter_rows())
    for i, hadm in enumerate(chunk.hadm_of_stay()[: plan.count].astype(str).tolist()):
        assert (hadm in text_of) == bool(plan.has_dn[i])
        for e, emission in enumerate(emissions(Modality.DN)):
            said = any(p in text_of.get(hadm, "") for p in phrases()[Modality.DN, emission.symbol, True])
            assert said == bool(plan.dn_symbol[i, e] and plan.has_dn[i])
        if plan.has_dn[i]:
            assert ("Disposition: Expired" in text_of[hadm]) == bool(plan.state.death[i])


def test_reports_in_the_window_are_those_of_the_plan(tree: Tree) -> None:
    plan, chunk = tree.chunk.plan, tree.chunk
    keys = pl.DataFrame({
        "hadm_id": chunk.hadm_of_stay()[: plan.count].astype(str),
        "row": np.arange(plan.count),
        "intime": chunk.stays.intime[: plan.count].astype("datetime64[ms]"),
    })  # fmt: skip
    report = tree.table("mimic-iv-note/note/radiology").filter(pl.col("note_type") == "RR").join(keys, on="hadm_id")
    hour = (pl.col("charttime").str.to_datetime(time_unit="ms") - pl.col("intime")).dt.total_seconds() / 3600
    report = report.with_columns(pl.col("text").str.replace_all("\n", " "), hour.alias("hour"))
    inside = report.filter(pl.col("hour").is_between(0, 48))
    assert np.array_equal(np.unique(inside["row"].to_numpy()), np.flatnonzero(plan.has_rr))
    counted = inside.group_by("row").len().sort("row")["len"].to_numpy()
    assert np.array_equal(counted, np.bincount(plan.report_stay[plan.report_in_window])[plan.has_rr])
    assert report.height == len(plan.report_stay)
    for e, emission in enumerate(emissions(Modality.RR)):
        wanted = pl.any_horizontal(
            pl.col("text").str.contains(p, literal=True) for p in phrases()[Modality.RR, emission.symbol, True]
        )
        assert inside.filter(wanted).height == int(plan.rr_symbol[plan.report_in_window, e].sum())
    chest = inside.filter(pl.col("text").str.contains("CHEST (PORTABLE AP)", literal=True)).sort("row")
    assert np.array_equal(chest["row"].to_numpy(), np.flatnonzero(plan.has_rr))
    for f, emission in enumerate(emissions(Modality.CXR)):
        for is_present in (True, False):
            phrase = phrases()[Modality.CXR, emission.symbol, is_present][0]
            stated = chest["text"].str.contains(phrase, literal=True).to_numpy()
            expected = (plan.mention[:, f] & (plan.finding[:, f] == is_present))[plan.has_rr]
            assert np.array_equal(stated, expected), emission.symbol


def test_filler_says_nothing_that_evidence_says() -> None:
    for modality in (Modality.RR, Modality.DN):
        for sentence in filler_sentences(modality):
            assert not any(sentence in p or p in sentence for texts in phrases().values() for p in texts)


def test_notes_are_as_long_as_announced(tree: Tree) -> None:
    words = {
        name: tree.table(f"mimic-iv-note/note/{name}").filter(pl.col("note_type") != "AR")["text"]
        .str.split(" ").list.len()
        for name in ("radiology", "discharge")
    }  # fmt: skip
    assert words["radiology"].min() >= 40
    assert words["radiology"].max() <= 250
    assert words["discharge"].min() >= 130
    assert words["discharge"].max() <= 500


def test_findings_are_readable_after_shrinking_to_64_pixels() -> None:
    """A threshold on the mean of one 16-pixel patch tells each finding, whatever the noise."""
    rng = np.random.default_rng(0)
    names = [emission.symbol for emission in emissions(Modality.CXR)]
    assert set(FIELDS) == set(names)
    finding = rng.random((120, len(names))) < 0.5
    patch = np.empty((120, 4, 4))
    for i in range(120):
        with Image.open(BytesIO(jpeg(render(rng, finding[i])))) as image:
            small = np.asarray(image.resize((64, 64)), dtype=float)
        patch[i] = small.reshape(4, 16, 4, 16).mean(axis=(1, 3))
    for f, name in enumerate(names):
        row, column, _ = FIELDS[name]
        value, truth = patch[:, row, column], finding[:, f]
        middle = (value[truth].mean() + value[~truth].mean()) / 2
        is_above = value[truth].mean() > middle
        assert (((value > middle) == is_above) == truth).mean() > 0.95, name


def test_latest_frontal_image_in_the_window_is_the_one_of_the_plan(tree: Tree) -> None:
    plan, chunk = tree.chunk.plan, tree.chunk
    metadata = tree.table("mimic-cxr-jpg/mimic-cxr-2.0.0-metadata").filter(pl.col("ViewPosition") == "AP")
    clock = pl.col("StudyTime").str.split(".").list.first().str.zfill(6)
    metadata = metadata.with_columns((pl.col("StudyDate") + clock).str.to_datetime("%Y%m%d%H%M%S").alias("time"))
    subject = chunk.subject_of_stay()[: plan.count].astype(str)
    names = [emission.symbol for emission in emissions(Modality.CXR)]
    column = names.index("right_lucency")  # the only finding that darkens: safe to read from one field
    row, place, _ = FIELDS["right_lucency"]
    for i in np.flatnonzero(chunk.stays.is_faithful[: plan.count]).tolist():
        start = chunk.stays.intime[i].astype("datetime64[us]").item()
        end = chunk.stays.outtime[i].astype("datetime64[us]").item()
        mine = metadata.filter((pl.col("subject_id") == subject[i]) & pl.col("time").is_between(start, end))
        assert (mine.height > 0) == bool(plan.has_cxr[i])
        if mine.height:
            last = mine.sort("time", "dicom_id").row(-1, named=True)
            person = f"p{last['subject_id']}"
            path = tree.root / "mimic-cxr-jpg" / "files" / person[:3] / person / f"s{last['study_id']}"
            with Image.open(path / f"{last['dicom_id']}.jpg") as image:
                small = np.asarray(image.resize((64, 64)), dtype=float).reshape(4, 16, 4, 16).mean(axis=(1, 3))
            finding = plan.late_finding[i] if plan.has_late_cxr[i] else plan.finding[i]
            assert (small[row, place] < 75) == bool(finding[column])
