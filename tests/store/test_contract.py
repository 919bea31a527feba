"""The store's contract on a real SQLite file and, where ALDENTE_TEST_POSTGRES names one, a real PostgreSQL server."""

import os
import uuid

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from aldente.store import open_store
from aldente.testing.store_contract import StoreContract

POSTGRES = os.environ.get("ALDENTE_TEST_POSTGRES")


class TestSqlite(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        with open_store(str(tmp_path / "a store.sqlite")) as store:
            yield store


@pytest.mark.skipif(not POSTGRES, reason="ALDENTE_TEST_POSTGRES names no server")
class TestPostgres(StoreContract):
    @pytest.fixture
    def store(self, postgres_url, tmp_path):
        with open_store(postgres_url, folder=tmp_path / "files") as store:
            yield store


@pytest.fixture
def postgres_url():
    """The address of a schema of its own on the server."""
    url, schema = make_url(POSTGRES), f"aldente_{uuid.uuid4().hex}"
    engine = create_engine(url.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()
