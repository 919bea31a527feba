"""Full disks, kills and several writers at once: nothing is lost, doubled or half-written."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.store.files import ABANDONED_SECONDS, Files
from aldente.testing.store_contract import drawn, recipe

WRITER = """
import sys
from aldente.store import open_store
from aldente.testing.store_contract import drawn, recipe
path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open_store(path) as store:
    for seed in range(first, last):
        print(store.save(*drawn(recipe(seed))).id, flush=True)
"""


def writer(path, first, last):
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def whole(store):
    """All records, after a look at every file."""
    records = store.history(limit=100_000)
    assert all(hashlib.sha256(store.image_bytes(record)).hexdigest() == record.file_hash for record in records)
    return {record.id: record for record in records}


def test_two_processes_write_at_once(where):
    # They share a hundred pictures: these must be there once.
    writers = [writer(where, 0, 200), writer(where, 100, 300)]
    printed = [process.communicate(timeout=300) for process in writers]
    assert [process.returncode for process in writers] == [0, 0], printed
    with open_store(where) as store:
        records = whole(store)
    assert sorted(record.recipe.seed for record in records.values()) == list(range(300))
    assert {id_ for out, _ in printed for id_ in out.split()} == set(records)


def test_threads_share_a_store(where):
    from concurrent.futures import ThreadPoolExecutor

    with open_store(where) as store:
        with ThreadPoolExecutor(8) as pool:
            stored = list(pool.map(lambda seed: store.save(*drawn(recipe(seed % 40))), range(80)))
        assert len(whole(store)) == 40
        assert stored[:40] == stored[40:]


def test_a_killed_writer_loses_nothing_that_it_reported(where):
    reported: list[str] = []
    moments = random.Random(7)
    for attempt in range(5):
        process = writer(where, attempt * 10_000, attempt * 10_000 + 10_000)
        reported.append(process.stdout.readline().strip())
        time.sleep(moments.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        reported += [line.strip() for line in process.stdout if line.endswith("\n")]
        assert process.wait() == -signal.SIGKILL
        process.stderr.close()
        process.stdout.close()
        with open_store(where) as store:
            records = whole(store)
        assert set(reported) <= set(records)
        # At most the picture of each kill was stored but not yet reported.
        assert len(records) - len(reported) <= attempt + 1
        assert all(record.cost.stages and record.quality for record in records.values())


def test_a_killed_batch_is_there_whole_or_not_at_all(where):
    code = """
import sys
from aldente.store import open_store
from aldente.testing.store_contract import drawn, recipe
with open_store(sys.argv[1]) as store:
    batches = [[drawn(recipe(50 * b + i)) for i in range(50)] for b in range(20)]
    print("ready", flush=True)
    for batch in batches:
        store.save_many(batch)
"""
    for seconds in (0.03, 0.1):
        process = subprocess.Popen([sys.executable, "-c", code, where], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        process.wait()
        process.stdout.close()
        with open_store(where) as store:
            assert len(whole(store)) % 50 == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file size")
def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    code = """
import json, resource, sys
from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.testing.store_contract import drawn, pixels, recipe
with open_store(sys.argv[1]) as store:
    small = store.save(*drawn(recipe(1)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, 6_000_000))
    try:
        store.save_many([drawn(recipe(2)), drawn(recipe(3), image=pixels(3, 2048))])
    except UserError as error:
        print(json.dumps(str(error)))
    after = store.save(*drawn(recipe(4)))
    print(json.dumps([small.id, after.id]))
"""
    path = tmp_path / "a.sqlite"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    error, ids = map(json.loads, done.stdout.splitlines())
    assert "File too large" in error
    assert "Free some space" in error
    with open_store(str(path)) as store:
        assert set(whole(store)) == set(ids)
    files = [file for file in (tmp_path / "a.files").rglob("*") if file.is_file()]
    assert len(files) == 2
    assert all(hashlib.sha256(file.read_bytes()).hexdigest() == file.stem for file in files)


@pytest.mark.parametrize("damaged", [b"o", b"two"], ids=["cut short", "of the same length"])
def test_contents_are_stored_once_and_healed_when_damaged(tmp_path, damaged):
    files = Files(tmp_path)
    (first, second) = files.add([b"one", b"two"])
    path = tmp_path / first.path
    assert first.path == f"{first.hash[:2]}/{first.hash[2:4]}/{first.hash}.bin"
    written = path.stat().st_mtime_ns
    assert files.add([b"one"]) == [first]
    assert path.stat().st_mtime_ns == written
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="is damaged"):
        files.read(first)
    files.add([b"one"])
    assert files.read(first) == b"one"
    (tmp_path / second.path).unlink()
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        files.read(second)


def test_a_lost_file_is_healed_by_saving_again(tmp_path):
    with open_store(str(tmp_path / "a.sqlite")) as store:
        record, png = drawn(recipe(1))
        stored = store.save(record, png)
        next((tmp_path / "a.files").glob("??/??/*.png")).unlink()
        again = store.save(record, png + b"")
        assert again == stored
        assert store.image_bytes(again) == png
        # Another Pillow packs the same pixels into another file.
        next((tmp_path / "a.files").glob("??/??/*.png")).unlink()
        other = store.save(record, png + b"\0")
        assert other.file_hash == hashlib.sha256(png + b"\0").hexdigest()
        assert store.image_bytes(store.get(stored.id)) == png + b"\0"


def test_a_file_damaged_at_its_length_is_healed_by_saving_again(tmp_path):
    with open_store(str(tmp_path / "a.sqlite")) as store:
        record, png = drawn(recipe(1))
        stored = store.save(record, png)
        (path,) = (tmp_path / "a.files").glob("??/??/*.png")
        path.write_bytes(png[:-1] + bytes([png[-1] ^ 1]))
        with pytest.raises(UserError, match="is damaged"):
            store.image_bytes(stored)
        assert store.save(record, png) == stored
        assert store.image_bytes(stored) == png
        assert store.verify().damage == ()


def test_what_a_killed_process_left_is_swept_after_a_day(tmp_path):
    Files(tmp_path)
    old, new = tmp_path / "incoming" / "old", tmp_path / "incoming" / "new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    past = time.time() - ABANDONED_SECONDS - 60
    os.utime(old, (past, past))
    Files(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_a_kept_file_that_was_damaged_or_lost_is_told_and_healed_by_keeping_it_again(tmp_path):
    with open_store(str(tmp_path / "a.sqlite")) as store:
        kept = store.keep_file(b"a mask")
        path = next((tmp_path / "a.files").glob("??/??/*.bin"))
        path.write_bytes(b"a mosk")
        with pytest.raises(UserError, match="is damaged"):
            store.read_file(kept)
        assert store.keep_file(b"a mask") == kept
        assert store.read_file(kept) == b"a mask"
        path.unlink()
        with pytest.raises(UserError, match="cannot be read"):
            store.read_file(kept)
        assert store.keep_file(b"a mask") == kept
        assert store.read_file(kept) == b"a mask"
