"""The array libraries that the engine's numerics are tested under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("engine", deadline=None)
settings.load_profile("engine")


@dataclass(frozen=True, kw_only=True)
class Library:
    """An array library: its namespace ``np``, how it takes a NumPy array in, and how it gives one back."""

    name: str
    np: Any
    array: Callable[[Any], Any]

    def numpy(self, value: Any) -> np.ndarray:
        """``value``, an array of this library, as a NumPy array."""
        return np.asarray(value)


def _read_only(value: Any) -> np.ndarray:
    frozen = np.array(value)
    frozen.setflags(write=False)
    return frozen


def library(name: str) -> Library:
    """The library called ``name``; skips the test where it is not installed."""
    if name == "numpy":
        return Library(name=name, np=np, array=np.array)
    if name == "numpy-readonly":
        return Library(name=name, np=np, array=_read_only)
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    module = import_module(name)
    return Library(name=name, np=module, array=lambda value: module.asarray(np.array(value)))


@pytest.fixture(params=["numpy", "numpy-readonly", "array_api_strict", "torch"])
def xp(request: pytest.FixtureRequest) -> Library:
    """Each array library in turn: ``xp.array(numpy) -> array``, ``xp.numpy(array) -> numpy``, ``xp.np`` the namespace."""
    return library(request.param)
