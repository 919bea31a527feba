"""A real PostgreSQL server for tests: the one that ALDENTE_TEST_POSTGRES names, or one of our own while the tests run."""

import os
import shutil
import subprocess
import tempfile
import uuid
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

ADDRESS = os.environ.get("ALDENTE_TEST_POSTGRES")
"""The address of a server, as a user who may create databases."""


def programs():
    """The folder of the server's programs on this machine; None where there are none."""
    on_path = shutil.which("initdb")
    found = [] if on_path is None else [Path(on_path).resolve().parent]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").is_file() and (folder / "postgres").is_file()), None)


def why_not():
    """Why no server can be had; empty where one can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'aldente[postgres]'"
    if ADDRESS or programs() is not None:
        return ""
    return "ALDENTE_TEST_POSTGRES names no server, and PostgreSQL's programs are not installed"


@contextmanager
def server():
    """The address of a server."""
    if ADDRESS:
        yield make_url(ADDRESS).set(drivername="postgresql+psycopg")
        return
    # The server does not run as root, and its socket's path must be short.
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, "nobody")
        data = Path(folder) / "data"

        def run(*command):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)

        run(programs() / "initdb", "-D", data, "-A", "trust", "-U", "aldente", "--no-sync")
        settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        control = [programs() / "pg_ctl", "-D", data, "-l", Path(folder) / "log", "-w"]
        run(*control, "-o", settings, "start")
        try:
            yield URL.create("postgresql+psycopg", "aldente", database="postgres", query={"host": folder})
        finally:
            run(*control, "-m", "immediate", "stop")


@contextmanager
def database(url):
    """The address of a new database on a server, dropped afterwards."""
    name = f"aldente_{uuid.uuid4().hex[:12]}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield url.set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()
