"""aldente: diffusion images, cooked just right.

The library face is loaded on first use, so that ``aldente --help`` need not wait for NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aldente.library import SamplerInfo, ScheduleInfo, UserError, sample, samplers, schedule, schedules

__version__ = "0.1.0"
__all__ = ["SamplerInfo", "ScheduleInfo", "UserError", "__version__", "sample", "samplers", "schedule", "schedules"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("aldente.library"), name)
    raise AttributeError(f"module 'aldente' has no attribute '{name}'")
