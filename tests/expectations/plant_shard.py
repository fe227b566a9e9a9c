"""One bad cell per expectation: the content of the shards against their manifest."""

from .plant import Case, both, cases, put
from .world_shard import COLUMN_OF_DIASTOLIC, SIDE, STEPS, cell

INFINITE = float("inf")

CASES: list[Case] = cases(
    "stay_shard",
    {
        "stay_is_where_it_is_listed": put("listed", stay_id=999),
        "presence_is_as_listed": put("listed", has_dn=True),
        "label_length_is_as_listed": put("record", label=[0, 1]),
        "every_label_is_zero_or_one": put("record", label=[None]),
        "steps_are_as_listed": put("listed", ehr_steps=STEPS + 1),
        "every_cell_is_finite": both(*(cell(step, COLUMN_OF_DIASTOLIC, INFINITE) for step in range(STEPS))),
        "what_was_not_measured_is_carried_forward": cell(1, COLUMN_OF_DIASTOLIC, 0.75),
        "what_was_not_yet_measured_is_the_normal_value": both(
            put("record", 0, 1, 2, ehr_observed=lambda r: b"\1\0" + r["ehr_observed"][2:]),
            put("listed", 0, 1, 2, ehr_observed_share=16 / 17 / STEPS),
            *(cell(step, COLUMN_OF_DIASTOLIC, 0.75) for step in range(STEPS)),
        ),
        "observed_is_zero_or_one": put("record", ehr_observed=lambda r: b"\2" + r["ehr_observed"][1:]),
        "every_chunk_has_its_edges": put("record", rr=[[7, 7, 3], [2, 3]]),
        "every_category_is_lit_once": both(*(cell(step, 1, 1.0) for step in range(STEPS))),
        "observed_share_is_as_listed": put("listed", ehr_observed_share=0.5),
        "image_has_all_its_pixels": put("record", cxr=bytes(SIDE * SIDE - 1)),
        "token_counts_are_as_listed": put("listed", rr_tokens=6),
    },
)
