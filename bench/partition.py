"""Does splitting tokens by confidence earn its place? Ways of splitting, on the cohorts of `bench/study.py`.

Encoders and token predictors of the first training seed are taken as they are; only the fusion part is trained anew,
for each cohort, way and seed. Beside the scores stand random tokens of the same share, no split,
and two ceilings: the tokens at which the generator has put evidence (notes and images; the EHR keeps its chosen
share, as a state of an LSTM tells of all hours before it), and weights learned by attention.

Run: python bench/partition.py OUT [--data-seeds 11 12 13] [--seeds 3] [--epochs 30]; then --table
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from partition_fit import STAYS_AT_ONCE, train_fusion
from partition_part import Part, evidence, join_features, read_part
from partition_way import DEFAULT, WAYS, Attended, Drawn, Known, Plain, found_evidence
from study import context, oracle_of
from study_cell import MAIN, PRESETS, Cell
from torch import Tensor, nn

from flows.context import RunContext
from medpatch.config.model import FusionConfig, ModelConfig
from medpatch.config.name import Modality, Split
from medpatch.contract.artifact import replace_text
from medpatch.contract.batch import Tokens
from medpatch.feature.opening import input_spec
from medpatch.model.build import build_medpatch, build_scorer
from medpatch.model.checkpoint import load_scorer, load_unimodal
from medpatch.model.extractor import pool_tokens
from medpatch.model.feature import Features
from medpatch.train.calibrate import fit_threshold
from medpatch.train.stage_confidence import run_confidence

STAYS_FOR_SHARE = 600


@torch.no_grad()
def share_threshold(scorer: nn.Module, tokens: Tokens, share: float) -> Tensor:
    """(K,) score that this share of the tokens of some hundred stays reaches."""
    some = torch.arange(0, len(tokens.value), max(1, len(tokens.value) // STAYS_FOR_SHARE))
    return fit_threshold(scorer(tokens.value[some], tokens.token_mask[some])[tokens.token_mask[some]], share)


@torch.no_grad()
def pooled(part: Part, scorer: Mapping[Modality, nn.Module], known: Mapping[Modality, Tensor | None]) -> Features:
    """What fusion reads of a split."""
    pieces = []
    for index in torch.arange(len(part.label)).split(STAYS_AT_ONCE):
        modality = {}
        for m, tokens in part.tokens.items():
            if isinstance(scorer[m], Known):
                scorer[m].here = evidence(part, m, index, known[m])
            some = replace(
                tokens, value=tokens.value[index], token_mask=tokens.token_mask[index], pooled=tokens.pooled[index]
            )
            modality[m] = pool_tokens(scorer[m], some, pools_padding=False)
        pieces.append(Features(part.presence[index], modality))
    return join_features(pieces)


def retrained(run: RunContext, model: ModelConfig, modality: Modality, *, width: int, data: str) -> nn.Module:
    """The token predictor of another model configuration, on the same tokens."""
    with tempfile.TemporaryDirectory() as folder:
        run_confidence(
            run.config.model_copy(update={"model": model}),
            run.tensor_dir,
            modality=modality,
            out_dir=Path(folder) / "scorer",
            feature_dir=run.feature_dir(modality),
            inputs="",
            log_metric=lambda name, value, epoch: None,
        )
        return load_scorer(Path(folder) / "scorer", width=width, data=data)


def cohort(run: RunContext, write: Callable[[dict], None], done: set[tuple], *, key: tuple, seeds: int, epochs: int):
    """Every way and seed of one cohort that is not yet written."""
    spec, data = input_spec(run.tensor_dir)
    names = [m for m in run.config.modality.modalities if run.confidence_dir(m).is_dir()]
    spec = replace(spec, modalities=tuple(names))
    unimodal = {m: load_unimodal(run.unimodal_dir(m), data=data) for m in names}
    trained = {m: load_scorer(run.confidence_dir(m), width=u.encoder.width, data=data) for m, u in unimodal.items()}
    part = {split: read_part(run.tensor_dir, split, unimodal) for split in Split}
    oracle = oracle_of(run, part[Split.TEST].stay_id.numpy())["+".join(run.config.modality.modalities)]
    share: dict[Modality, Tensor] = {}
    for title, way in WAYS.items():
        if title != DEFAULT and all((*key, title, seed) in done for seed in range(seeds)):  # others need its shares
            continue
        torch.manual_seed(0)
        model = run.config.model.model_copy(update={"fusion": FusionConfig(score=way.score, **way.fusion)})
        scorer = {}
        for m in names:
            scorer[m] = build_scorer(model, spec, modality=m, width=unimodal[m].encoder.width)
            one = retrained(run, model, m, width=unimodal[m].encoder.width, data=data) if way.is_trained else trained[m]
            scorer[m].load_state_dict(one.state_dict())
            if way.threshold is not None:
                scorer[m].threshold.fill_(way.threshold)
            if way.share is not None:
                scorer[m].threshold.copy_(share_threshold(scorer[m], part[Split.TRAIN].tokens[m], way.share))
        if way.is_random:
            scorer = {m: Drawn(share[m]) for m in names}
        if way.is_evidence:
            scorer |= {m: Known(spec.label_count) for m in names if m is not Modality.EHR}
        known = {m: part[Split.TRAIN].table.get(m) for m in names}
        parts = {s: (pooled(p, scorer, known), p.label) for s, p in part.items()}
        modality = parts[Split.TRAIN][0].modality
        shares = {m: f.high_share[f.is_encoded].mean(dim=0) for m, f in modality.items()}
        if title == DEFAULT:
            share = shares
        shown = found_evidence(part[Split.TEST], scorer, part[Split.TRAIN].table)

        def make(model=model, scorer=scorer, way=way) -> nn.Module:
            fusion = build_medpatch(model, spec, unimodal=unimodal, scorer=scorer).fusion
            for branch in fusion.branch.values():
                branch.unimodal_projection.requires_grad_(False)
            return Attended(fusion, part, spec.label_count) if way.is_attention else Plain(fusion)

        for seed in range(seeds):
            if (*key, title, seed) not in done:
                found = train_fusion(
                    make,
                    parts,
                    oracle=oracle,
                    seed=seed,
                    epochs=epochs,
                    is_late_fitted=model.fusion.is_late_fitted,
                )
                high = {str(m): round(float(s.mean()), 3) for m, s in shares.items()}
                write(
                    {
                        "task": key[0],
                        "data": key[1],
                        "way": title,
                        "seed": seed,
                        **found,
                        "share": high,
                        "evidence": shown,
                    }
                )


def show(lines: Sequence[Mapping]) -> None:
    """One table per task."""
    for task in PRESETS:
        rows_of = {w: {(x["data"], x["seed"]): x for x in lines if x["task"] == task and x["way"] == w} for w in WAYS}
        if not rows_of[DEFAULT]:
            continue
        print(f"\n{task}: late AUROC on test; difference to '{DEFAULT}' on the same cohort and seed")
        print(
            "| way | cells | late | high | low | on val | expected | its difference | difference | per cohort "
            "| tokens high | of them with evidence, of all |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|---|---|")
        for way, cells in rows_of.items():
            both = sorted(cells.keys() & rows_of[DEFAULT].keys())
            if not both:
                continue
            gap = {k: cells[k]["late"] - rows_of[DEFAULT][k]["late"] for k in both}
            cohorts = sorted({k[0] for k in both})
            by = [statistics.mean(g for k, g in gap.items() if k[0] == d) for d in cohorts]
            spread = statistics.stdev(gap.values()) / len(gap) ** 0.5 if len(gap) > 1 else float("nan")
            means = [statistics.mean(x[h] for x in cells.values()) for h in ("late", "high", "low", "val", "expected")]
            known = [cells[k]["expected"] - rows_of[DEFAULT][k]["expected"] for k in both]
            share = statistics.mean(statistics.mean(x["share"].values()) for x in cells.values())
            shown = {
                m: statistics.mean(x["evidence"][m][0] for x in cells.values())
                for m in next(iter(cells.values()))["evidence"]
            }
            print(
                f"| {way} | {len(cells)} | {' | '.join(f'{v:.4f}' for v in means)} "
                f"| {statistics.mean(known):+.4f} | {statistics.mean(gap.values()):+.4f} ± {1.96 * spread:.4f} "
                f"| {', '.join(f'{v:+.4f}' for v in by)} | {share:.2f} | {', '.join(shown)} |"
            )


def main(out: Path, *, data: Sequence[int], tasks: Sequence[str], seeds: int, epochs: int, table: bool) -> None:
    """Train what is missing, or print the table."""
    path = out / "partition.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if table:
        show(lines)
        return
    done = {(x["task"], x["data"], x["way"], x["seed"]) for x in lines}

    def write(line: dict) -> None:
        lines.append(line)
        replace_text(path, "".join(json.dumps(one) + "\n" for one in lines))
        print(json.dumps(line), flush=True)

    for number in data:
        for task in tasks:
            run = context(Cell(task, number, 0, MAIN), out)
            cohort(run, write, done, key=(task, number), seeds=seeds, epochs=epochs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", help="folder of the study; without it nothing is done")
    parser.add_argument("--data-seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--tasks", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if chosen.out is None:  # hours of work are not begun unasked
        parser.print_help()
    else:
        main(
            chosen.out,
            data=chosen.data_seeds,
            tasks=chosen.tasks,
            seeds=chosen.seeds,
            epochs=chosen.epochs,
            table=chosen.table,
        )
