"""Votes from the command line: said, shown, asked for, taken back, exported, and in a backup."""

import csv
import sqlite3
from pathlib import Path

import pytest

from aldente.store import open_store
from aldente.testing.store_contract import drawn, recipe


@pytest.fixture
def stored(commands):
    with open_store(str(commands.store)) as store:
        return [record.id for record in store.save_many([drawn(recipe(seed), seed) for seed in range(4)])]


def seeds(commands, query, **where):
    return [one["recipe"]["seed"] for one in commands.ok("history", query, "--json", **where).json]


def test_votes_are_said_shown_asked_for_and_taken_back(commands, stored):
    done = commands.ok("mark", stored[0], "--better-than", stored[1], "--better-than", stored[2], "+hero")
    assert done.out == f"{stored[0][:8]}: tags hero; votes 2 won, 0 lost\n"
    assert seeds(commands, "wins>=2") == [0]
    assert seeds(commands, "losses>0") == [2, 1]
    assert "votes:    0 won, 1 lost" in commands.ok("show", stored[1]).out
    rows = commands.ok("diff", stored[0], stored[1], "--json").json["came"]
    assert ("votes", "2 won, 0 lost", "0 won, 1 lost") in [(one["name"], one["a"], one["b"]) for one in rows]
    commands.ok("export", "has:wins", "--to", "voted.csv")
    with Path("voted.csv").open(newline="") as file:
        assert [(row["seed"], row["wins"], row["losses"]) for row in csv.DictReader(file)] == [
            ("2", "0", "1"), ("1", "0", "1"), ("0", "2", "0")]  # fmt: skip
    commands.ok("backup", "copy")
    commands.ok("mark", stored[0], "--forget-vote", stored[1])
    assert seeds(commands, "wins>=1") == [0]
    assert seeds(commands, "wins>=2") == []
    assert seeds(commands, "wins>=2", store="copy") == [0]
    assert commands("mark", stored[0], "--better-than", stored[0]).code == 2


def test_a_store_of_before_votes_learns_of_them_and_of_what_is_measured(commands, stored):
    with sqlite3.connect(commands.store) as database:
        database.execute("DROP TABLE votes")
        database.execute("DELETE FROM words WHERE folded IN ('metric clipped', 'fact wins')")
        database.execute("UPDATE aldente_schema SET version_num = '0003'")
    database.close()
    assert "No picture" in commands.ok("history", "clipped<0.001").out
    commands.ok("mark", stored[3], "--better-than", stored[1])
    assert seeds(commands, "wins=1") == [3]
