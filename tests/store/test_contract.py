"""The store's contract on real SQLite files and on a real PostgreSQL server."""

import pytest

from aldente.store import open_store
from aldente.testing.store_contract import StoreContract


class TestStore(StoreContract):
    @pytest.fixture
    def store(self, where):
        with open_store(where) as store:
            yield store
