"""What a network's answer means at a level: given the exact answer, the estimate is the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding, flow, preserving
from aldente.models.diffusers.training import Training, training_of

STABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


@pytest.mark.parametrize("prediction", ["eps", "v", "x0"])
@pytest.mark.parametrize("level", [exploding(14.0), exploding(1.0), exploding(0.03), preserving(3.0)])
def test_an_exact_answer_of_a_diffusion_model_gives_the_picture(prediction, level):
    training = Training(prediction=prediction, sigmas=(0.03, 1.0, 14.0))
    clean, noise = 0.7, -1.3
    x = level.alpha * clean + level.sigma * noise
    size = math.hypot(*level)
    alpha, sigma = level.alpha / size, level.sigma / size
    assert training.scale(level) * x == pytest.approx(alpha * clean + sigma * noise)
    exact = {"eps": noise, "v": alpha * noise - sigma * clean, "x0": clean}[prediction]
    own, answered = training.estimate(level)
    assert own * x + answered * exact == pytest.approx(clean)


@pytest.mark.parametrize("sigma", [1.0, 0.5, 0.01])
def test_an_exact_answer_of_a_flow_gives_the_picture(sigma):
    training = training_of({"shift": 3.0})
    level, clean, noise = flow(sigma), 0.7, -1.3
    x = level.alpha * clean + level.sigma * noise
    own, answered = training.estimate(level)
    assert own * x + answered * (noise - clean) == pytest.approx(clean)
    assert training.timestep(level) == pytest.approx(1000 * sigma)
    assert training.scale(level) == pytest.approx(1.0)


def test_timesteps_are_whole_at_training_levels_and_between_them_elsewhere():
    training = training_of(STABLE)
    assert [training.timestep(exploding(training.sigmas[step])) for step in (0, 500, 999)] == pytest.approx([0, 500, 999])
    middle = math.sqrt(training.sigmas[500] * training.sigmas[501])
    assert training.timestep(exploding(middle)) == pytest.approx(500.5)
    assert training.timestep(exploding(1e-3)) == 0.0
    assert training.timestep(exploding(1e3)) == 999.0
    assert training.timestep(preserving(training.sigmas[500])) == pytest.approx(500)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("form", ["scaled_linear", "linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_training_levels_are_those_of_diffusers(form, zero_snr):
    from diffusers import DDIMScheduler

    told = {**STABLE, "beta_schedule": form}
    products = np.asarray(DDIMScheduler(**told, rescale_betas_zero_snr=zero_snr).alphas_cumprod, dtype=np.float64)
    theirs = np.sqrt((1 - products[:-1]) / products[:-1])
    np.testing.assert_allclose(training_of(told, zero_snr=zero_snr).sigmas[:-1], theirs, rtol=2e-3)


def test_flow_levels_are_shifted_once():
    training = training_of({"shift": 3.0, "num_train_timesteps": 1000})
    assert training.sigmas[499] == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))
    assert training.sigmas[-1] == 1.0
    dynamic = training_of({"shift": 3.0, "use_dynamic_shifting": True, "max_shift": 1.15})
    assert dynamic.shift == pytest.approx(math.exp(1.15))
    assert dynamic.dynamic


def test_what_is_not_known_is_said():
    with pytest.raises(UserError, match="predicts 'scores', which is not known"):
        training_of({**STABLE, "prediction_type": "scores"})
    with pytest.raises(UserError, match="beta_schedule 'sigmoid' is not known"):
        training_of({**STABLE, "beta_schedule": "sigmoid"})
