"""The training loop: early stopping, the best epoch's weights, bad losses, what is frozen."""

import math

import pytest
import torch
from torch import nn

from medpatch.config.error import ConfigError, DivergedError
from medpatch.config.train import TrainConfig
from medpatch.train.fit import fit
from medpatch.train.freeze import freeze, set_training
from medpatch.train.record import FitSettings, Select, StepOutput
from medpatch.train.session import Session, open_accelerator


def settings(**changes) -> FitSettings:
    usual = {
        "epochs": 10,
        "patience_epochs": 3,
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "gradient_clip_norm": 1.0,
    }
    return FitSettings(**(usual | changes))


class Counter(nn.Module):
    """One weight that grows by about the learning rate each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def run(network, val_losses, step=None, **changes):
    """Fit where the validation loss of each epoch is given."""
    given = iter(val_losses)

    def grow(index, is_training):
        loss = -network.weight.sum() if is_training else torch.tensor(next(given))
        return StepOutput(loss, count=1)

    step = step or grow
    return fit(
        network,
        step,
        train_batches=lambda epoch: [torch.zeros(1)],
        val_step=step,
        val_batches=lambda: [torch.zeros(1)],
        settings=settings(select=Select.LOSS, **changes),
        name="test",
        log_metric=lambda *_: None,
    )


def fit_on_train(network, step, **changes):
    """Fit one batch per epoch without any val stay."""
    return fit(
        network,
        step,
        train_batches=lambda epoch: [torch.zeros(1)],
        val_step=step,
        val_batches=lambda: [],
        settings=settings(**changes),
        name="test",
        log_metric=lambda *_: None,
    )


def test_training_stops_after_patience_epochs_without_improvement():
    result = run(Counter(), [3.0, 2.0, 2.5, 2.5, 2.5, 1.0, 1.0])
    assert [r.epoch for r in result.history] == [0, 1, 2, 3, 4]


# first step 0.1; second 0.1 * 5.73684 / sqrt(50.52476): (0.9 * 0.1 * 1 + 0.1 * 10) / (1 - 0.9^2) over the root of
# (0.999 * 0.001 * 1 + 0.001 * 100) / (1 - 0.999^2). The published beta2 of 0.9 would end at 0.17872.
# Clipped to 1 the second gradient is the first again, and so is its step.
@pytest.mark.parametrize(("clip_norm", "weight"), [(100.0, 0.18071), (1.0, 0.2)])
def test_weights_remember_past_gradients_as_adam_does_with_its_usual_betas(clip_norm, weight):
    network = Counter()

    def step(gradient, is_training):
        return StepOutput(-(gradient * network.weight).sum() if is_training else torch.tensor(1.0), count=1)

    fit(
        network,
        step,
        train_batches=lambda epoch: [torch.tensor([1.0]), torch.tensor([10.0])],
        val_step=step,
        val_batches=lambda: [torch.zeros(1)],
        settings=settings(select=Select.LOSS, epochs=1, gradient_clip_norm=clip_norm),
        name="test",
        log_metric=lambda *_: None,
    )
    assert network.weight.item() == pytest.approx(weight, abs=1e-5)


def test_weight_decay_shrinks_a_weight_beside_its_gradient():
    network = Counter()
    nn.init.ones_(network.weight)

    def step(index, is_training):
        return StepOutput(network.weight.sum() * 0.0 if is_training else torch.tensor(1.0), count=1)

    run(network, [1.0], step=step, epochs=1, weight_decay=0.5)
    assert network.weight.item() == pytest.approx(0.95)  # 1 - 0.1 * 0.5; as part of the gradient Adam would make it 0.9


def test_rate_is_halved_after_more_than_half_the_patience_without_a_smaller_loss():
    network = Counter()
    result = run(network, [3.0, 2.0, 2.0, 2.5, 2.0, 1.0, 1.0], patience_epochs=4, epochs=7)
    # patience 4: epochs 2, 3 and 4 are more than two without a smaller loss than that of epoch 1
    assert [r.learning_rate for r in result.history] == [0.1] * 5 + [0.05] * 2
    assert result.best.epoch == 5
    assert network.weight.item() == pytest.approx(0.55, abs=1e-4)  # five steps of 0.1, one of 0.05


@pytest.mark.parametrize(("slope", "rate"), [(-1.0, 0.1), (1e-9, 0.05)])
def test_without_val_stays_the_train_loss_decides_about_the_rate(slope, rate):
    network = Counter()

    def step(index, is_training):
        return StepOutput(1.0 + slope * network.weight.sum(), count=1)

    result = fit_on_train(network, step, epochs=4)
    assert result.history[-1].learning_rate == pytest.approx(rate)


@pytest.mark.parametrize(("rank", "is_as_alone"), [(0, True), (1, False)])
def test_each_process_draws_for_itself_and_the_first_as_one_alone(rank, is_as_alone):
    class Numbered(Session):
        rank = property(lambda self: number)

    def draws():
        drawn = []

        def step(index, is_training):
            if is_training:
                drawn.append(torch.rand(1).item())
            return StepOutput(network.weight.sum(), count=1)

        network = Counter()
        torch.manual_seed(5)
        fit(
            network,
            step,
            train_batches=lambda epoch: [torch.zeros(1)],
            val_step=step,
            val_batches=lambda: [torch.zeros(1)],
            settings=settings(select=Select.LOSS, epochs=1),
            name="test",
            log_metric=lambda *_: None,
            session=Numbered(open_accelerator(TrainConfig(device="cpu"))),
        )
        return drawn

    number = 0
    alone = draws()
    number = rank
    assert (draws() == alone) is is_as_alone


def test_weights_of_the_best_epoch_are_left_in_place():
    network = Counter()
    result = run(network, [3.0, 2.0, 2.5, 2.5, 2.5])
    assert result.best.epoch == 1
    assert network.weight.item() == pytest.approx(0.2, abs=1e-4)  # two steps of 0.1


def test_equal_losses_keep_the_earlier_epoch():
    assert run(Counter(), [2.0] * 10).best.epoch == 0


def test_val_loss_that_is_no_number_ends_the_training_and_is_never_the_best():
    with pytest.raises(DivergedError, match="test: the loss on val became nan"):
        run(Counter(), [3.0, math.nan, 1.0])


def test_gradient_that_is_not_finite_leaves_the_weights_alone():
    network = Counter()

    def step(index, is_training):
        # the root has the value 0 and an infinite slope at 0
        return StepOutput(network.weight.abs().sqrt().sum(), count=1)

    with pytest.raises(DivergedError, match="the loss or its gradient became"):
        fit_on_train(network, step)
    assert network.weight.item() == 0.0


def test_nan_loss_names_stage_epoch_and_learning_rate():
    network = Counter()

    def step(index, is_training):
        return StepOutput(network.weight.sum() * math.nan, count=1)

    message = r"test, epoch 0: the loss or its gradient became nan; lower its learning rate \(0.1\)"
    with pytest.raises(ConfigError, match=message):
        fit_on_train(network, step)
    assert network.weight.item() == 0.0


def test_auroc_chooses_and_the_loss_breaks_ties():
    logits = iter([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    losses = iter([0.5, 0.1, 0.4, 0.6])
    network = Counter()

    def step(index, is_training):
        if is_training:
            return StepOutput(-network.weight.sum(), count=1)
        return StepOutput(
            torch.tensor(next(losses)), 2, torch.tensor(next(logits))[:, None], torch.tensor([[0.0], [1.0]])
        )

    result = fit(
        network,
        step,
        train_batches=lambda epoch: [torch.zeros(1)],
        val_step=step,
        val_batches=lambda: [torch.zeros(1)],
        settings=settings(epochs=4),
        name="test",
        log_metric=lambda *_: None,
    )
    assert result.best.epoch == 2


def test_frozen_modules_stay_in_eval_mode_while_the_rest_trains():
    network = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)), nn.Linear(2, 2), nn.Dropout(0.5))
    freeze(network[0])
    set_training(network, is_training=True)
    assert not network[0].training
    assert not network[0][1].training
    assert network[1].training
    assert network[2].training
