"""One step of the optimizer: how long a gradient may be, and which part of a batch a process computes."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from medpatch.config.train import Select, TrainConfig
from medpatch.train.fit import fit
from medpatch.train.record import FitSettings, StepOutput
from medpatch.train.session import Session, open_accelerator
from medpatch.train.stage_unimodal import fit_settings
from medpatch.train.update import Updater
from train.cohort import make_config


@dataclass(frozen=True)
class OneOf(Session):
    """One of several processes, alone: what they exchange is what it has."""

    processes: int = 1
    rank: int = 0


def one_of(processes: int, rank: int) -> Session:
    return OneOf(open_accelerator(TrainConfig(device="cpu")), processes=processes, rank=rank)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("clip_norm", "expected"), [(1.0, [0.6, 0.8]), (100.0, [3.0, 4.0])])
def test_a_gradient_longer_than_allowed_is_scaled_down_over_all_weights(processes, clip_norm, expected):
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    updater = Updater(one_of(processes, 0), torch.optim.SGD(weights, lr=1.0), clip_norm=clip_norm)
    updater.update(lambda index, _: StepOutput(3 * weights[0].sum() + 4 * weights[1].sum(), 1), torch.arange(2))
    assert [w.grad.item() for w in weights] == pytest.approx(expected, abs=1e-4)
    assert [-w.item() for w in weights] == pytest.approx(expected, abs=1e-4)


def test_clipping_decay_and_patience_of_a_stage_are_those_of_the_configuration():
    config = make_config(gradient_clip_norm=0.3, weight_decay=0.2, patience_epochs=7, learning_rate=0.05)
    expected = FitSettings(9, 7, 0.05, 0.2, 0.3, Select.LOSS)
    assert fit_settings(config, "unimodal", epochs=9, select=Select.LOSS) == expected


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("stays", [1, 2, 5, 6])
def test_processes_share_a_batch_in_parts_that_differ_by_at_most_one_stay(processes, stays):
    batch = torch.arange(100, 100 + stays)
    parts = [one_of(processes, rank).share(batch) for rank in range(processes)]
    assert sorted(torch.cat(parts).tolist()) == batch.tolist()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("processes", "rank", "trained", "judged"),
    [
        (1, 0, [[0, 1, 2, 3, 4], [5]], [[6, 7], [8], [9]]),
        (2, 0, [[0, 2, 4], [5]], [[6, 7], [9]]),
        (2, 1, [[1, 3]], [[8]]),
    ],
)
def test_a_process_computes_its_part_of_each_train_batch_and_its_turn_of_the_val_batches(
    processes, rank, trained, judged
):
    network, seen = nn.Linear(1, 1), {True: [], False: []}

    def step(index, is_training):
        seen[is_training].append(index.tolist())
        return StepOutput(network.weight.sum(), len(index))

    fit(
        network,
        step,
        train_batches=lambda epoch: [torch.arange(5), torch.tensor([5])],
        val_batches=lambda: [torch.tensor([6, 7]), torch.tensor([8]), torch.tensor([9])],
        val_step=step,
        settings=FitSettings(1, 1, 0.1, 0.0, 1.0, Select.LOSS),
        name="test",
        log_metric=lambda *_: None,
        session=one_of(processes, rank),
    )
    assert seen == {True: trained, False: judged}
