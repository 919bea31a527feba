"""Asking Optuna where to look next, as a function of what was measured and of a seed.

The study lives in memory only and is told everything from our own rows; every ask has a seed of its own. So an ask after a
restart is the ask without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from aldente.tuning.search.space import Place, Space

STARTUP = 8
"""Trials before a model is made of them; screening and ladders usually leave more."""


class Told(NamedTuple):
    """What came of a place: the value to be made least and by how much each limit is broken (0 or less: not).

    A place with no ``value`` was ruled out without being measured.
    """

    place: Place
    value: float | None
    constraints: Mapping[str, float]


class Proposer:
    """Proposes places by the tree-structured Parzen estimator [Watanabe 2023], from what it is told."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._distributions = {dimension.name: _distribution(space, i) for i, dimension in enumerate(space.dimensions)}
        self._study = optuna.create_study(storage=_memory(), direction="minimize")

    def tell(self, told: Told) -> None:
        """Add what came of a place."""
        self._study.add_trial(_trial(self._space, told, self._distributions))

    def propose(self, seed: int) -> Place:
        """The next place to look at: it depends on what was told, in its order, and on the seed alone."""
        self._study.sampler = TPESampler(seed=seed, multivariate=True, n_startup_trials=STARTUP)
        trial = self._study.ask(fixed_distributions=self._distributions)
        found = trial.params
        # What comes of it is told like everything else; a failed trial counts for nothing.
        self._study.tell(trial, state=TrialState.FAIL)
        return tuple(int(found[dimension.name]) for dimension in self._space.dimensions)


def importances(space: Space, history: Sequence[Told]) -> dict[str, float]:
    """How much each parameter decides whether a place is among the best (PED-ANOVA [Watanabe 2023b]), adding up to 1."""
    distributions = {dimension.name: _distribution(space, i) for i, dimension in enumerate(space.dimensions)}
    study = optuna.create_study(storage=_memory(), direction="minimize")
    study.add_trials([_trial(space, told, distributions) for told in history if told.value is not None])
    varied = [d.name for i, d in enumerate(space.dimensions) if len({told.place[i] for told in history}) > 1]
    if len(study.trials) < STARTUP or not varied:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator, params=varied))


def _memory() -> optuna.storages.BaseStorage:
    # The study announces itself at level info; nobody is to hear of it.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.storages.InMemoryStorage()


def _distribution(space: Space, at: int) -> BaseDistribution:
    dimension = space.dimensions[at]
    count = len(dimension.values)
    return IntDistribution(0, count - 1) if dimension.ordered else CategoricalDistribution(tuple(range(count)))


def _trial(space: Space, told: Told, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    params = {dimension.name: i for dimension, i in zip(space.dimensions, told.place, strict=True)}
    if told.value is None:
        return create_trial(state=TrialState.PRUNED, params=params, distributions=dict(distributions))
    return create_trial(value=told.value, params=params, distributions=dict(distributions), constraints=dict(told.constraints))
