"""The samplers: one table, one file for each family."""

from aldente.engine.samplers.info import SamplerInfo
from aldente.engine.samplers.prepare import Prepared, collapse, prepare
from aldente.engine.samplers.table import find_sampler, samplers

__all__ = ["Prepared", "SamplerInfo", "collapse", "find_sampler", "prepare", "samplers"]
