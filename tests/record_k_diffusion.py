"""Record what k-diffusion 0.1.1.post1 computes, as test data: python tests/record_k_diffusion.py FOLDER_OF_THE_WHEEL.

The folder is where the package lies unpacked; it is never a dependency of this project:

    pip download --no-deps k-diffusion==0.1.1.post1 && unzip k_diffusion-0.1.1.post1-py3-none-any.whl -d FOLDER

Only its ``sampling`` module is run. What the package imports for pictures, training and progress bars is replaced by
empty modules, so torch and scipy are all that is needed. Step noise is injected: a smooth function of the two sigmas
(``tests/engine/samplers/test_k_diffusion.py`` has the same function), so nothing depends on a random generator.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

FIXTURES = Path(__file__).parent / "fixtures" / "k_diffusion"
STEPS, SIGMA_MIN, SIGMA_MAX = 8, 0.0291672, 14.6146
ABSENT = ("torchvision", "torchvision.transforms", "torchdiffeq", "torchsde", "tqdm", "tqdm.auto", "safetensors", "PIL")


class Hollow(ModuleType):
    """A module in which every name is a function that returns its first argument, or itself a hollow module."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Bar


class Bar:
    """A progress bar that shows nothing; ``trange`` is the range."""

    def __new__(cls, count: int | None = None, **_: Any) -> Any:
        return range(count) if count is not None else super().__new__(cls)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self) -> None:
        """Nothing to show."""


def load(folder: Path) -> ModuleType:
    """k-diffusion's sampling module, without running the package's own ``__init__``."""
    for name in ABSENT:
        sys.modules[name] = Hollow(name)
    package = ModuleType("k_diffusion")
    package.__path__ = [str(folder / "k_diffusion")]
    sys.modules["k_diffusion"] = package
    from k_diffusion import sampling

    return sampling


def denoiser(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The exact estimate when each number is 1 or -1 with deviation 0.5."""
    spread = 0.25 + sigma.reshape(-1, 1, 1, 1) ** 2
    return (0.25 * x + sigma.reshape(-1, 1, 1, 1) ** 2 * torch.tanh(x / spread)) / spread


def cases(k: ModuleType) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """The name of each case with k-diffusion's function and options; 'churn' marks those that draw from randn_like."""
    churn = {"s_churn": 4.0, "s_tmin": 0.01, "s_tmax": 10.0, "s_noise": 1.003}
    found: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}
    for name in ("euler", "heun", "dpm_2"):
        found[name] = (getattr(k, f"sample_{name}"), {})
        found[f"{name}:churn"] = (getattr(k, f"sample_{name}"), churn)
    stochastic = ("euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde")
    for name in stochastic:
        for eta in (0.0, 0.4, 1.0):
            found[f"{name}:eta={eta}"] = (getattr(k, f"sample_{name}"), {"eta": eta, "s_noise": 1.05})
    for eta in (0.0, 1.0):
        found[f"dpmpp_2m_sde_heun:eta={eta}"] = (k.sample_dpmpp_2m_sde, {"eta": eta, "s_noise": 1.05, "solver_type": "heun"})
    found["dpmpp_2m"] = (k.sample_dpmpp_2m, {})
    for order in (1, 2, 3, 4):
        found[f"lms:order={order}"] = (k.sample_lms, {"order": order})
    return found


def run_steps(function: Callable[..., Any], x: torch.Tensor, sigmas: torch.Tensor, noise: Any, options: dict[str, Any]) -> Any:
    """The end of one run along ``sigmas``; noise for churn is that of (sigma, 0), in the order of the steps."""
    churned = iter([noise(sigma, torch.tensor(0.0)) for sigma in sigmas])
    if "eta" in options:
        options = options | {"noise_sampler": noise}
    with patch.object(torch, "randn_like", lambda _: next(churned)):
        return function(denoiser, x, sigmas, disable=True, **options).numpy()


def record_samplers(k: ModuleType) -> dict[str, np.ndarray]:
    """The start, the sigmas, the phases of the noise and the end of every case, with and without the final sigma 0."""
    generator = np.random.default_rng(11)
    phases = generator.uniform(0.0, 2.0 * np.pi, (2, 1, 2, 3))
    x = torch.tensor(generator.normal(size=phases.shape) * SIGMA_MAX)
    sigmas = k.get_sigmas_karras(STEPS, SIGMA_MIN, SIGMA_MAX)

    def noise(sigma: torch.Tensor, sigma_next: torch.Tensor) -> torch.Tensor:
        return 2.0**0.5 * torch.sin(torch.tensor(phases) + 3.0 * sigma + 5.0 * sigma_next)

    def noise_of_one(sigma: torch.Tensor, sigma_next: torch.Tensor) -> torch.Tensor:
        return noise(sigma, sigma_next)[:1]

    arrays = {"x": x.numpy(), "phases": phases, "sigmas": sigmas.numpy()}
    for name, (function, options) in cases(k).items():
        if not name.startswith("lms"):
            arrays[f"{name}|whole"] = run_steps(function, x, sigmas, noise, options)
        arrays[f"{name}|open"] = run_steps(function, x, sigmas[:-1], noise, options)
    for eta in (0.0, 0.6):
        given = {"eta": eta, "s_noise": 1.05, "noise_sampler": noise}
        for calls in (1, 2, 3, 7, 9, 11):
            ended = k.sample_dpm_fast(denoiser, x, SIGMA_MIN, SIGMA_MAX, calls, **given)
            arrays[f"dpm_fast:calls={calls},eta={eta}|open"] = ended.numpy()
        for order in (2, 3):
            given["noise_sampler"] = noise_of_one
            ended = k.sample_dpm_adaptive(denoiser, x[:1], SIGMA_MIN, SIGMA_MAX, order=order, **given)
            arrays[f"dpm_adaptive:order={order},eta={eta}|open"] = ended.numpy()
    return arrays


def record_schedules(k: ModuleType) -> dict[str, np.ndarray]:
    """k-diffusion's schedules between SD1.5's sigmas, trailing 0 included, as 'name:rho=...,n=...'."""
    arrays = {"sigma_min": np.array(SIGMA_MIN), "sigma_max": np.array(SIGMA_MAX)}
    for n in (2, 3, 10, 25):
        for rho in (3.0, 7.0):
            arrays[f"karras:rho={rho},n={n}"] = k.get_sigmas_karras(n, SIGMA_MIN, SIGMA_MAX, rho=rho).numpy()
        for rho in (1.0, 2.0):
            arrays[f"polyexponential:rho={rho},n={n}"] = k.get_sigmas_polyexponential(n, SIGMA_MIN, SIGMA_MAX, rho=rho).numpy()
        arrays[f"exponential:n={n}"] = k.get_sigmas_exponential(n, SIGMA_MIN, SIGMA_MAX).numpy()
        arrays[f"vp:n={n}"] = k.get_sigmas_vp(n).numpy()
    return arrays


def main(folder: str) -> None:
    """Write both files of test data."""
    torch.set_default_dtype(torch.float64)
    k = load(Path(folder))
    FIXTURES.mkdir(parents=True, exist_ok=True)
    np.savez(FIXTURES / "samplers.npz", **record_samplers(k))
    np.savez(FIXTURES / "schedules.npz", **record_schedules(k))


if __name__ == "__main__":
    main(*sys.argv[1:])
