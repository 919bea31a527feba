"""A world with known answers: pictures whose distance to their converged picture follows a law that the test sets."""

import hashlib

import numpy as np

from aldente.tuning.protocol import tune
from aldente.tuning.study import Outcome

SIZE = 48


def _rng(*names):
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "big"))


def converged(prompt, seed, cfg, path=None):
    """The converged picture: smooth waves of the prompt and seed, stronger with CFG; another one for a path of noise."""
    rng = _rng("picture", prompt, seed, path)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    waves = sum(
        rng.normal(size=3)
        * np.sin(2 * np.pi * (rng.uniform(-3, 3) * x + rng.uniform(-3, 3) * y) + rng.uniform(0, 6))[..., None]
        for _ in range(4)
    )
    return 128 + (10 + cfg) * waves


class World:
    """``laws`` maps a sampler to (scale, exponent): RMSE at N steps is scale * N^exponent * the prompt's factor.

    ``fried`` is the CFG from which pictures get a lattice and burnt colours; recipes in ``broken`` (a predicate) fail.
    """

    def __init__(self, laws, *, fried=9.0, spread=0.3, held_out=1.0, broken=lambda recipe: False, stochastic=()):
        self.laws, self.fried, self.spread, self.held_out = laws, fried, spread, held_out
        self.broken, self.stochastic = broken, stochastic
        self.rendered = 0

    def outcome(self, recipe):
        self.rendered += 1
        sampling, cfg = recipe.sampling, recipe.sampling.guidance.scale
        scale, exponent = self.laws[sampling.sampler]
        factor = np.exp(self.spread * _rng("hard", recipe.prompt).normal() - self.spread**2 / 2)
        size = scale * sampling.steps**exponent * factor * (self.held_out if recipe.seed > 2 else 1.0)
        path = sampling.sampler if sampling.sampler in self.stochastic else None
        pattern = _rng("error", recipe.prompt, recipe.seed, sampling.sampler, sampling.schedule).normal(size=(SIZE, SIZE, 3))
        latent = converged(recipe.prompt, recipe.seed, cfg, path) + size * pattern / pattern.std()
        picture = latent.copy()
        if cfg >= self.fried:
            y, x = np.indices((SIZE, SIZE)) // 8
            picture = 128 + 2.2 * (picture - 128) + 3 * cfg * (((x + y) % 2) - 0.5)[..., None]
        return Outcome(image=np.clip(np.round(picture), 0, 255).astype(np.uint8), latent=latent.astype(np.float32))


def run(study, world, *, store=None, seconds_per_call=None):
    """The result of a study in a world, and what it asked for; pictures in ``store`` are not made again."""
    store = {} if store is None else store
    needs = []
    protocol = tune(study, seconds_per_call=seconds_per_call)
    need = next(protocol)
    while True:
        needs.append(need)
        for recipe in need.recipes:
            if recipe.digest() not in store and not world.broken(recipe):
                store[recipe.digest()] = world.outcome(recipe)
        try:
            need = protocol.send({r.digest(): store[r.digest()] for r in need.recipes if r.digest() in store})
        except StopIteration as stop:
            return stop.value, needs
