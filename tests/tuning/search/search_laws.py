"""A world of laws: errors that fall with steps as a power law of the sampler and schedule, times what a prompt makes harder."""

import hashlib
from itertools import product

import numpy as np

from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.tuning.search.measured import Measured
from aldente.tuning.search.protocol import search_through
from aldente.tuning.search.question import Search
from aldente.tuning.search.space import Space, dimension_of
from aldente.tuning.search.wants import Answer
from aldente.tuning.study import Pair, calls_of

SAMPLERS = {"euler": (40.0, -1.0), "heun": (60.0, -1.6), "dpmpp_2m": (70.0, -1.6), "uni_pc": (90.0, -1.7), "deis": (60.0, -1.5)}
SCHEDULES = ("karras", "exponential", "sgm_uniform", "beta")
STEPS = (5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40)
PROMPTS = tuple(f"prompt {i}" for i in range(6))
BASE = Recipe(sampling=Sampling(guidance=Guidance(scale=4.0)))


def rng_of(*names):
    return np.random.default_rng(int(hashlib.sha256(repr(names).encode()).hexdigest()[:12], 16))


def question(axes=None, **changes):
    named = {"sampler": tuple(SAMPLERS), "schedule": SCHEDULES, "steps": STEPS, **(axes or {})}
    space = Space(dimensions=tuple(dimension_of(name, values, BASE) for name, values in named.items()))
    facts = {"base": BASE, "prompts": PROMPTS, "space": space, "confirm": False, "front": False}
    return Search(**{**facts, **changes})


class World:
    """``number`` tells worlds apart: schedules suit other samplers. From CFG ``fried`` on pictures have flaws."""

    def __init__(self, search, number=0, *, fried=8.0, flaws=True):
        self.search, self.number, self.fried, self.flaws = search, number, fried, flaws
        self.calls = 0

    def settings(self, place):
        return {"cfg": 4.0, **self.search.space.settings(place)}

    def price(self, place):
        said = self.settings(place)
        return float(calls_of(Pair(sampler=said["sampler"], schedule=said["schedule"]), said["steps"], said["cfg"]))

    def error(self, place, instance):
        said = self.settings(place)
        scale, exponent = SAMPLERS[said["sampler"]]
        suits = np.exp(0.5 * rng_of(self.number, said["sampler"], said["schedule"]).normal())
        hard = np.exp(0.4 * rng_of("hard", instance[0]).normal())
        chance = np.exp(
            0.15 * rng_of("chance", self.number, instance, said["sampler"], said["schedule"], said["steps"]).normal()
        )
        return scale * said["steps"] ** exponent * suits * hard * chance * (0.5 + said["cfg"] / 8)

    def measured(self, place, instance, converged=True):
        cfg = self.settings(place)["cfg"]
        adherence = 1 - np.exp(-cfg / 3) + 0.01 * rng_of("adherence", instance, cfg).normal()
        amount = 2.0 if self.flaws and cfg >= self.fried else 0.0
        error = float(self.error(place, instance)) if converged else None
        return Measured(
            calls=int(self.price(place)),
            error=error,
            similarity=None if error is None else 1 / (1 + 0.02 * error),
            adherence=float(adherence),
            worse={"chroma": amount, "blown": amount, "lattice": 0.0},
        )

    def run(self, kept=(), *, until=None):
        """What a search ends with (None if it is stopped after ``until`` asks), and its asks."""
        asks, known = [], set()
        protocol = search_through(self.search, self.price, kept)
        try:
            want = next(protocol)
            while True:
                asks += want.asks
                if until is not None and len(asks) >= until:
                    return None, asks[:until]
                instances = self.search.held_out if want.held_out else self.search.instances
                pairs = [(trial.place, i) for trial in want.trials for i in trial.instances]
                rows = {(place, i): self.measured(place, instances[i], want.converged) for place, i in pairs}
                calls = sum(self.price(place) for place, i in pairs if (place, i, want.held_out) not in known)
                known |= {(place, i, want.held_out) for place, i in pairs}
                self.calls += calls
                want = protocol.send(Answer(rows, round(calls)))
        except StopIteration as stop:
            return stop.value, asks

    def places(self):
        return list(product(*(range(len(d.values)) for d in self.search.space.dimensions)))

    def grid_calls(self):
        return sum(self.price(place) for place in self.places()) * len(self.search.instances)

    def mean(self, place):
        return float(np.mean([self.error(place, instance) for instance in self.search.instances]))
