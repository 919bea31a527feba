"""Noise that is a function of its seed and purpose: never of batch, order, step count or machine."""

from aldente.engine.noise.initial import Start, initial, started
from aldente.engine.noise.nvidia import nv
from aldente.engine.noise.path import brownian
from aldente.engine.noise.sequence import Stream, in_order, keyed
from aldente.engine.noise.steps import independent
from aldente.engine.noise.streams import normal
from aldente.engine.noise.table import RngInfo, find_rng, rngs
from aldente.engine.noise.torch_cpu import cpu

__all__ = [
    "RngInfo", "Start", "Stream", "brownian", "cpu", "find_rng", "in_order", "independent",
    "initial", "keyed", "normal", "nv", "rngs", "started",
]  # fmt: skip
