"""A workbench on a store of its own with the embedded model, loaded once."""

import pytest

from aldente.models import pastina
from aldente.store import open_store
from aldente.studio.workbench import Workbench


@pytest.fixture(scope="session")
def loaded():
    return pastina.load(2)


@pytest.fixture
def bench(tmp_path, loaded):
    with open_store(str(tmp_path / "store.db")) as store:
        yield Workbench(store=store, load=lambda _: loaded, draw_seed=lambda: 77)
