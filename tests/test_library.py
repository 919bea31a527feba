"""The library face, as an engineer uses it who comes from k-diffusion."""

import math
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import aldente
from aldente.engine.errors import UserError

SIGMAS = aldente.schedule("karras", 6, sigma_min=0.05, sigma_max=10.0)
NAMES = [info.name for info in aldente.samplers()]
SIZE = (2, 3, 4)


def denoiser(x, sigma):
    """The best guess where pictures are normal with mean .5 and spread .8: smooth, and known in closed form."""
    return 0.5 + 0.64 / (0.64 + sigma**2) * (x - 0.5)


def start(count: int = 1, seed: int = 0, dtype=np.float64) -> np.ndarray:
    return (10.0 * np.random.default_rng(seed).standard_normal((count, *SIZE))).astype(dtype)


def step_noise(sigma, sigma_next):
    """Noise that depends on nothing but the levels."""
    return np.random.default_rng([int(1e6 * sigma), int(1e6 * sigma_next)]).standard_normal((1, *SIZE))


class TestSchedules:
    @pytest.mark.parametrize("info", aldente.schedules(), ids=lambda info: info.name)
    def test_every_schedule_falls_strictly_to_zero_in_float64(self, info):
        options = {"sigmas": (8.0, 4.0, 2.0, 1.0, 0.5)} if info.name == "custom" else {}
        sigmas = aldente.schedule(info.title, 5, **options)
        assert sigmas.dtype == np.float64
        assert sigmas[-1] == 0.0
        assert len(sigmas) == 6
        assert (np.diff(sigmas) < 0).all()

    def test_the_ends_are_those_that_are_asked_for(self):
        assert SIGMAS[0] == 10.0
        assert SIGMAS[-2] == 0.05

    def test_without_ends_they_are_those_of_the_training_levels(self):
        training = np.geomspace(0.03, 20.0, 50)
        sigmas = aldente.schedule("exponential", 4, training_sigmas=training)
        assert sigmas[0] == training[-1]
        assert sigmas[-2] == training[0]

    def test_options_are_the_schedules_own(self):
        assert aldente.schedule("karras", 4, rho=3.0)[1] > aldente.schedule("karras", 4)[1]

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: aldente.schedule("karas", 5), "did you mean 'karras'"),
            (lambda: aldente.schedule("karras", 5, rhoo=3.0), "no option 'rhoo'; it has: rho"),
            (lambda: aldente.schedule("karras", 0), "at least 1 step"),
            (lambda: aldente.schedule("karras", 5, sigma_min=5.0, sigma_max=1.0), "choose 0 < sigma_min < sigma_max"),
            (lambda: aldente.schedule("karras", 5, sigma_min=0.0), "choose 0 < sigma_min"),
            (lambda: aldente.schedule("karras", 5, training_sigmas=[1.0, 3.0, 2.0, 4.0]), "rising order"),
            (lambda: aldente.schedule("custom", 5), "needs 'sigmas'"),
        ],
    )
    def test_wrong_ones_are_value_errors_that_say_what_to_do(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()


class TestSamplers:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_sampler_carries_noise_to_a_picture(self, name):
        x = start(2)
        kept = x.copy()
        result = aldente.sample(denoiser, x, SIGMAS, name, seed=3)
        assert result.shape == x.shape
        assert result.dtype == np.float64
        assert np.abs(result).max() < 8.0
        np.testing.assert_array_equal(x, kept)

    @pytest.mark.parametrize("name", NAMES)
    def test_torch_gives_what_numpy_gives(self, name):
        torch = pytest.importorskip("torch")
        x = start(2)
        expected = aldente.sample(denoiser, x, SIGMAS, name, seed=3)
        result = aldente.sample(denoiser, torch.from_numpy(x), torch.from_numpy(SIGMAS), name, seed=3)
        assert result.dtype == torch.float64
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("name", NAMES)
    def test_an_image_in_a_batch_has_the_bits_it_has_alone(self, name):
        if name == "dpm_adaptive":
            pytest.skip("its steps follow the error of the whole batch")
        x = start(3, dtype=np.float32)
        seeds = [7, 1, 2**64 - 1]
        together = aldente.sample(denoiser, x, SIGMAS, name, seed=seeds)
        for row, seed in enumerate(seeds):
            alone = aldente.sample(denoiser, x[row : row + 1], SIGMAS, name, seed=[seed])
            np.testing.assert_array_equal(alone, together[row : row + 1])

    def test_one_seed_counts_up_over_the_batch(self):
        x = start(3)
        counted = aldente.sample(denoiser, x, SIGMAS, "euler_ancestral", seed=5)
        np.testing.assert_array_equal(counted, aldente.sample(denoiser, x, SIGMAS, "euler_ancestral", seed=[5, 6, 7]))
        np.testing.assert_array_equal(counted, aldente.sample(denoiser, x, SIGMAS, "euler_ancestral", seed=np.int64(5)))
        np.testing.assert_array_equal(counted, aldente.sample(denoiser, x, SIGMAS, "euler_ancestral", seed=np.array([5, 6, 7])))

    @pytest.mark.parametrize("info", [i for i in aldente.samplers() if i.stochastic], ids=lambda i: i.name)
    def test_the_noise_of_a_stochastic_sampler_follows_its_seed(self, info):
        x = start()
        first, again, other = (aldente.sample(denoiser, x, SIGMAS, info.name, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3

    @pytest.mark.parametrize("info", [i for i in aldente.samplers() if not i.stochastic], ids=lambda i: i.name)
    def test_a_deterministic_sampler_needs_no_seed_and_heeds_none(self, info):
        x = start()
        np.testing.assert_array_equal(
            aldente.sample(denoiser, x, SIGMAS, info.name), aldente.sample(denoiser, x, SIGMAS, info.name, seed=1)
        )

    def test_injected_noise_is_what_the_steps_add(self):
        asked = []

        def noise(sigma, sigma_next):
            asked.append((sigma, sigma_next))
            return step_noise(sigma, sigma_next)

        result = aldente.sample(denoiser, start(), SIGMAS, "euler_ancestral", step_noise=noise)
        assert asked == [(float(a), float(b)) for a, b in pairwise(SIGMAS[:-1])]
        x = start()
        for a, b in pairwise(SIGMAS):
            up = min(b, math.sqrt(b**2 * (a**2 - b**2) / a**2))
            down = math.sqrt(b**2 - up**2)
            clean = denoiser(x, a)
            x = clean + down / a * (x - clean)
            if b > 0:
                x = x + up * step_noise(a, b)
        np.testing.assert_allclose(result, x, rtol=0, atol=1e-12)

    def test_the_names_of_other_programs_are_known(self):
        x = start()
        ours = aldente.sample(denoiser, x, SIGMAS, "dpmpp_2m")
        for name in ("DPM++ 2M", "sample_dpmpp_2m", "DPMSolverMultistepScheduler", "k_dpmpp_2m"):
            np.testing.assert_array_equal(aldente.sample(denoiser, x, SIGMAS, name), ours)

    def test_options_are_the_samplers_own(self):
        x = start()
        euler = aldente.sample(denoiser, x, SIGMAS, "euler")
        np.testing.assert_allclose(aldente.sample(denoiser, x, SIGMAS, "euler_ancestral", eta=0.0), euler, atol=1e-12)
        assert (
            np.abs(aldente.sample(denoiser, x, SIGMAS, "lms", order=2) - aldente.sample(denoiser, x, SIGMAS, "lms")).max() > 0
        )

    def test_churn_adds_noise_of_its_own_within_its_bounds(self):
        x = start()
        plain = aldente.sample(denoiser, x, SIGMAS, "euler")
        churned = aldente.sample(denoiser, x, SIGMAS, "euler", seed=1, s_churn=3.0)
        assert np.abs(churned - plain).max() > 1e-3
        outside = aldente.sample(denoiser, x, SIGMAS, "euler", seed=1, s_churn=3.0, s_tmin=20.0)
        np.testing.assert_array_equal(outside, plain)

    def test_a_pair_of_guided_and_unconditional_serves_the_cfg_pp_samplers(self):
        def pair(x, sigma):
            base = denoiser(x, sigma)
            return base + 0.3, base

        x = start()
        a, b = 10.0, 4.0
        result = aldente.sample(pair, x, [a, b, 0.0], "euler_cfg_pp")
        base = denoiser(x, a)
        then = base + 0.3 + b / a * (x - base)
        np.testing.assert_allclose(result, denoiser(then, b) + 0.3, atol=1e-12)
        np.testing.assert_array_equal(
            aldente.sample(pair, x, SIGMAS, "euler"), aldente.sample(lambda x, s: pair(x, s)[0], x, SIGMAS, "euler")
        )

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"sampler": "eluer"}, "did you mean 'euler'"),
            ({"sampler": "DPM++ 2M Karras"}, r"names a schedule too.*aldente\.schedule\('karras', steps\)"),
            ({"sampler": "euler", "eta": 1.0}, "sampler 'euler' has no option 'eta'; it takes s_churn"),
            ({"sampler": "dpmpp_2m", "s_churn": 1.0}, "sampler 'dpmpp_2m' has no option 's_churn'; it takes none"),
            ({"sampler": "euler_ancestral", "eta": -1.0}, "eta is -1.0; it must be 0 or more"),
            ({"sampler": "euler_ancestral"}, "adds noise: give seed=, or step_noise="),
            ({"sampler": "euler", "s_churn": 1.0}, "adds noise: give seed="),
            ({"sampler": "ddim", "eta": 1.0}, "adds noise: give seed="),
            ({"sampler": "euler_ancestral", "seed": [1, 2]}, "2 seeds for 1 images; give one for each"),
            ({"sampler": "euler_ancestral", "seed": -1}, "seed -1 .* from 0 to 2\\*\\*64 - 1"),
            ({"sampler": "euler_ancestral", "seed": 2**64}, "from 0 to 2\\*\\*64 - 1"),
            ({"sampler": "euler", "sigmas": [1.0, 2.0, 0.0]}, "sigmas must fall"),
            ({"sampler": "euler", "sigmas": [2.0, 1.0, 1.0, 0.0]}, "sigmas must fall"),
            ({"sampler": "euler", "sigmas": [2.0, -1.0]}, "sigmas must fall"),
            ({"sampler": "euler", "sigmas": [2.0]}, "sigmas must fall"),
            ({"sampler": "euler", "sigmas": [math.nan, 0.0]}, "sigmas must fall"),
        ],
    )
    def test_wrong_calls_are_value_errors_that_say_what_to_do(self, options, words):
        with pytest.raises(ValueError, match=words) as caught:
            aldente.sample(denoiser, start(), **({"sigmas": SIGMAS} | options))
        assert isinstance(caught.value, UserError)


def test_the_lists_state_names_aliases_orders_and_costs():
    euler = next(info for info in aldente.samplers() if info.name == "euler")
    assert (euler.order, euler.calls_per_step, euler.stochastic) == (1, 1, False)
    heun = next(info for info in aldente.samplers() if info.name == "heun")
    assert (heun.order, heun.calls_per_step) == (2, 2)
    assert "k_euler" in euler.aliases
    assert "polyexp" in next(info for info in aldente.schedules() if info.name == "polyexponential").aliases


@pytest.mark.parametrize(
    "code",
    [
        "import aldente; aldente.__version__",
        "from aldente.interface.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
    ids=["import aldente", "aldente --help"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    heavy = ("numpy", "pydantic", "sqlalchemy", "scipy", "onnxruntime", "torch", "PIL", "matplotlib")
    told = f"\nimport sys; print('loaded:', *(name for name in {heavy} if name in sys.modules))"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", code + told], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1].strip() == "loaded:"


def test_an_unknown_name_of_the_library_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'sampel'"):
        aldente.sampel  # noqa: B018
