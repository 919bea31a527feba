"""Where the tests keep stores and queues: each in SQLite and in PostgreSQL."""

import postgres_server
import pytest


@pytest.fixture(scope="session")
def postgres():
    """The address of a real server."""
    if why := postgres_server.why_not():
        pytest.skip(why)
    with postgres_server.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path, monkeypatch):
    """What a user gives as --store: a new SQLite file, or a new database on a server."""
    if request.param == "sqlite":
        yield str(tmp_path / "a store.sqlite")
        return
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with postgres_server.database(request.getfixturevalue("postgres")) as url:
        yield url
