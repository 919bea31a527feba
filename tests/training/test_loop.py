"""The training loop's pace, and that stopping and going on changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from training.config import Pace
from training.loop import Run, Session, rate, train

PACE = Pace(batch=4, pictures=160, rate=0.1, warm_up=40, decay_share=0.25, averaging=16, clip=1.0)


class Line:
    """Learning y = 3 x."""

    def __init__(self):
        torch.manual_seed(0)
        self.network = nn.Linear(1, 1)

    def loss(self, count, chance):
        x = torch.randn(count, 1, generator=chance)
        return (self.network(x) - 3 * x).square().mean()

    def report(self, averaged, place):
        (place / "slope").write_text(str(float(averaged["weight"])))
        return "reported"


def session(folder, minutes=None):
    return Session(work=folder, name="line", seed=1, minutes=minutes)


def test_the_rate_rises_stays_and_falls_to_nothing():
    rates = [rate(PACE, seen) for seen in range(0, 161, 4)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9:31] == pytest.approx([0.1] * 22)
    assert rates[35] == pytest.approx(0.05)
    assert rates[-1] == 0.0


def test_a_run_that_is_stopped_and_resumed_ends_where_an_unbroken_one_does(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    train(Line(), PACE, session(whole))
    first = Run(Line(), PACE, session(broken))
    for _ in range(17):
        first.step()
    first.save()
    train(Line(), PACE, session(broken))
    assert (whole / "slope").read_text() == (broken / "slope").read_text()


def test_it_learns(tmp_path):
    long = Pace(batch=16, pictures=6400, rate=0.05, warm_up=160, decay_share=0.5, averaging=160, clip=1.0)
    train(Line(), long, session(tmp_path))
    assert float((tmp_path / "slope").read_text()) == pytest.approx(3.0, abs=0.02)


def test_a_session_without_time_stops_after_one_step_and_keeps_it(tmp_path):
    train(Line(), PACE, session(tmp_path, minutes=0.0))
    assert Run(Line(), PACE, session(tmp_path)).seen == 4


def test_averages_lag_behind_the_weights(tmp_path):
    run = Run(Line(), PACE, session(tmp_path))
    start = float(run.averaged["weight"])
    for _ in range(8):
        run.step()
    now, averaged = float(run.task.network.weight.detach()), float(run.averaged["weight"])
    assert np.sign(now - start) == np.sign(averaged - start)
    assert abs(averaged - start) < abs(now - start)


def test_training_on_from_the_shipped_weights_has_a_length_of_its_own():
    assert replace(PACE, further=40).going_on().pictures == 40
    assert PACE.going_on() == PACE
