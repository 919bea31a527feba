"""A workbench on a store of its own with the embedded model, loaded once."""

import dataclasses

import pytest

from aldente.models import pastina
from aldente.store import open_store
from aldente.studio.workbench import Workbench


@pytest.fixture(scope="session")
def loaded():
    return pastina.load(2)


class Retrained:
    """pastina under another fingerprint, so that nothing that is measured of the shipped weights is of these."""

    def __init__(self, model):
        self._model = model
        self.info = dataclasses.replace(model.info, fingerprint="ce" * 32)

    def __getattr__(self, name):
        return getattr(self._model, name)


@pytest.fixture(scope="session")
def retrained(loaded):
    return Retrained(loaded)


@pytest.fixture
def bench(tmp_path, loaded):
    with open_store(str(tmp_path / "store.db")) as store:
        yield Workbench(store=store, load=lambda _: loaded, draw_seed=lambda: 77)
