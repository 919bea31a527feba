"""What a network would need to run: its peak memory and its work, found by tracing it without computing anything."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from aldente.models.diffusers.quantizing import stored


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Peak memory and work of one call.

    ``weights`` are the bytes that are held between calls, ``activations`` the most bytes that are held beside them during
    one, and ``flops`` its floating point operations (a multiplication and an addition are two).
    """

    weights: int
    activations: int
    flops: int

    @property
    def peak(self) -> int:
        """The most bytes held at any moment."""
        return self.weights + self.activations


def footprint(build: Callable[[], nn.Module], call: Callable[[nn.Module], object]) -> Footprint:
    """The footprint of ``call(build())``, at no cost in memory and in about a second.

    ``build`` makes the network from its configuration and ``call`` makes the inputs and calls it; both run on fake tensors,
    which have shapes and no values. Kernels' own workspaces are not seen: a few percent, learned from real runs instead.
    """
    with FakeTensorMode(), torch.no_grad():
        network = build()
        tally = _Tally(network)
        with tally, FlopCounterMode(display=False) as counter:
            call(network)
    return Footprint(weights=weights_of(network), activations=tally.peak, flops=int(counter.get_total_flops()))


def weights_of(network: nn.Module) -> int:
    """The bytes of a network's parameters and buffers, each storage once."""
    return sum({_key(tensor): tensor.untyped_storage().nbytes() for tensor in _held(network)}.values())


class _Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages from the operation that makes them until nothing refers to them any more."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sizes = {_key(tensor): 0 for tensor in _held(network)}
        self._live = 0
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            storage, key = tensor.untyped_storage(), _key(tensor)
            if key not in self._sizes:
                self._sizes[key] = storage.nbytes()
                self._live += storage.nbytes()
                self.peak = max(self.peak, self._live)
                weakref.finalize(storage, self._released, key)
        return made

    def _released(self, key: int) -> None:
        self._live -= self._sizes.pop(key)


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _held(network: nn.Module) -> Iterator[Tensor]:
    for tensor in (*network.parameters(), *network.buffers()):
        yield from stored(tensor)


def _tensors(made: object) -> Iterator[Tensor]:
    if isinstance(made, Tensor):
        yield made
    elif isinstance(made, (tuple, list)):
        for part in made:
            yield from _tensors(part)


@contextmanager
def built_in(dtype: torch.dtype) -> Iterator[None]:
    """Networks built inside have weights of ``dtype``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
