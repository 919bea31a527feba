"""A store is found, made, brought up to date or refused with a reason; and opening it is quick."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.store.address import address
from aldente.store.schema import MIGRATIONS, REVISIONS
from aldente.store.tables import metadata
from aldente.testing.store_contract import drawn, recipe


def run(code, *arguments):
    """What a Python program in a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _ours(name, kind, parents):
    """Whether something is in the code: not the index of the parts of words, which is of another kind in each database."""
    return not (name or "").startswith(("words_parts", "ix_words_parts"))


def test_migrations_build_exactly_the_tables_that_the_code_uses(where):
    open_store(where).close()
    engine = create_engine(address(where).url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "aldente_schema", "compare_type": True, "include_name": _ours}
        )
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_the_revisions_listed_are_the_revisions_there_are():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(REVISIONS)


def test_what_was_saved_is_there_after_opening_again(tmp_path):
    path = str(tmp_path / "100% ü" / "a.sqlite")
    with open_store(path) as store:
        stored = store.save(*drawn(recipe(1)))
    with open_store(path) as store:
        assert store.history() == [stored]


def test_several_processes_may_make_a_store_at_once(where):
    code = "import sys; from aldente.store import open_store; s = open_store(sys.argv[1]); print(len(s.history())); s.close()"
    command = [sys.executable, "-c", code, where]
    openers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [opener.communicate(timeout=60) for opener in openers]
    assert answers == [("0\n", "")] * 4


def test_a_newer_store_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "a.sqlite"
    open_store(str(path)).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE aldente_schema SET version_num = '0999'"))
    with pytest.raises(UserError, match=r"a\.sqlite was written by a newer aldente \(schema 0999.*upgrade"):
        open_store(str(path))
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM aldente_schema")).scalar() == "0999"
    engine.dispose()


def test_a_migration_that_is_killed_leaves_nothing(where):
    code = """
import os, sys
from sqlalchemy import event, Engine
from aldente.store import open_store
@event.listens_for(Engine, "before_cursor_execute")
def kill(connection, cursor, statement, *rest):
    if "CREATE TABLE images" in statement:
        os.kill(os.getpid(), 9)
open_store(sys.argv[1])
"""
    assert subprocess.run([sys.executable, "-c", code, where], timeout=60, check=False).returncode == -9
    with open_store(where) as store:
        assert store.history() == []


def test_what_is_not_a_database_is_refused(tmp_path):
    path = tmp_path / "a.sqlite"
    path.write_text("hello, this is a text of more than a hundred bytes, and not a database; " * 3)
    with pytest.raises(UserError, match=r"a\.sqlite: file is not a database.*give another --store"):
        open_store(str(path))
    with pytest.raises(UserError, match="folder cannot be made"):
        open_store(str(path / "inside" / "b.sqlite"))


def test_addresses_are_read_as_users_write_them(tmp_path):
    def found(url, **environment):
        place = address(url, environment=environment)
        return place.url.database, place.folder

    file = tmp_path / "mine.db"
    assert found(str(file)) == (str(file), tmp_path / "mine.files")
    assert found(f"sqlite:///{file}") == (str(file), tmp_path / "mine.files")
    assert found(str(tmp_path / "shelf")) == (str(tmp_path / "shelf" / "aldente.sqlite"), tmp_path / "shelf" / "aldente.files")
    assert found(None, ALDENTE_STORE=str(file)) == (str(file), tmp_path / "mine.files")
    assert found("relative.db") == (str(Path("relative.db").absolute()), Path("relative.files").absolute())
    assert Path(found(None)[0]).name == "aldente.sqlite"
    team = address("postgres://me:secret@host/pictures", folder=tmp_path)
    assert team.url.drivername == "postgresql+psycopg"
    assert team.folder == tmp_path
    assert team.shown == "postgresql+psycopg://me:***@host/pictures"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "would vanish"),
        ("sqlite:///:memory:", "would vanish"),
        ("mysql://host/name", "mysql is not supported"),
        ("://", "not a database URL"),
    ],
)
def test_addresses_that_cannot_hold_a_store_are_refused(url, why):
    with pytest.raises(UserError, match=why):
        open_store(url)


def test_importing_the_store_loads_no_database_library():
    code = """
import sys
import aldente.store, aldente.store.record
print([name for name in ("sqlalchemy", "alembic", "PIL", "numpy") if name in sys.modules])
"""
    assert run(code) == "[]"


def test_an_up_to_date_store_opens_without_alembic_and_quickly(tmp_path):
    path = tmp_path / "a.sqlite"
    open_store(str(path)).close()
    code = """
import sys, time
import aldente.store.sql
from aldente.store import open_store
started = time.perf_counter()
open_store(sys.argv[1]).close()
print("alembic" in sys.modules, time.perf_counter() - started)
"""
    loaded, seconds = min((run(code, path).split() for _ in range(3)), key=lambda answer: float(answer[1]))
    assert loaded == "False"
    assert float(seconds) < 0.05


def test_two_writers_wait_for_each_other(tmp_path):
    path = tmp_path / "a.sqlite"
    hold = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print(flush=True)
time.sleep(0.5)
print(time.time(), flush=True)
connection.execute("COMMIT")
"""
    with open_store(str(path)) as store:
        with subprocess.Popen([sys.executable, "-c", hold, str(path)], stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            stored = store.save(*drawn(recipe(1)))
            saved = time.time()
            assert saved >= float(other.stdout.readline())
        assert store.history() == [stored]
