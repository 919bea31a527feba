"""The queue: order, leases, pause and resume, two processes, and what is refused."""

import subprocess
import sys

import pytest

from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.store.queue import Progress, open_queue


@pytest.fixture
def queue(where):
    with open_queue(where) as opened:
        yield opened


def names(queue):
    return [job.name for job in queue.jobs()]


def test_priority_comes_first_then_the_order_of_arrival(queue):
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        queue.add(name, {}, priority=priority)
    assert names(queue) == ["b", "d", "a", "c"]


def test_jobs_are_moved(queue):
    ids = {name: queue.add(name, {}).id for name in "abc"}
    queue.move(ids["c"])
    assert names(queue) == ["c", "a", "b"]
    queue.move(ids["b"][:8], before=ids["a"][:8])
    assert names(queue) == ["c", "b", "a"]
    urgent = queue.add("u", {}, priority=9)
    queue.move(ids["a"], before=urgent.id)
    assert names(queue) == ["a", "u", "c", "b"]
    for _ in range(60):  # places never run out
        queue.move(ids["b"], before=ids["c"])
        queue.move(ids["c"], before=ids["b"])
    assert names(queue) == ["a", "u", "c", "b"]
    with pytest.raises(UserError, match="before itself"):
        queue.move(ids["a"], before=ids["a"])
    queue.cancel(ids["b"])
    with pytest.raises(UserError, match="which is cancelled"):
        queue.move(ids["a"], before=ids["b"])


def test_a_job_is_of_one_worker_until_its_lease_is_over(queue):
    queue.add("a", {"x": 1})
    mine = queue.claim("me")
    assert (mine.state, mine.spec) == ("running", {"x": 1})
    assert queue.claim("you") is None
    assert queue.beat(mine.id, "me", Progress(done=1, total=3, seconds_left=2.0))
    assert not queue.beat(mine.id, "you", Progress(done=2, total=3))
    assert (queue.job(mine.id).done, queue.job(mine.id).seconds_left) == (1, 2.0)
    assert queue.beat(mine.id, "me", Progress(done=1, total=3), seconds=-1)
    assert queue.claim("you").id == mine.id
    assert not queue.beat(mine.id, "me", Progress(done=2, total=3))
    assert not queue.settle(mine.id, "me", "finished")
    assert queue.settle(mine.id, "you", "finished")
    assert queue.jobs() == []
    assert queue.job(mine.id).finished is not None


def test_the_jobs_of_a_dead_worker_wait_again_at_once(queue):
    job = queue.add("a", {})
    queue.claim("dead")
    assert queue.claim("me", alive=lambda name: True) is None
    assert queue.claim("me", alive=lambda name: name != "dead").id == job.id


def test_a_paused_job_is_no_longer_its_workers(queue):
    job = queue.add("a", {})
    queue.claim("me")
    assert queue.pause(job.id).state == "paused"
    assert not queue.beat(job.id, "me", Progress(done=1, total=2))
    assert queue.resume(job.id).state == "waiting"
    assert queue.claim("you") is None, "the first worker has not stopped yet"
    queue.settle(job.id, "me", "waiting")
    assert queue.claim("you").id == job.id
    queue.cancel(job.id)
    assert not queue.settle(job.id, "you", "finished")
    assert queue.job(job.id).state == "cancelled"
    assert queue.resume(job.id).state == "waiting"


def test_what_is_over_stays_over(queue):
    job = queue.add("a", {})
    queue.claim("me")
    queue.settle(job.id, "me", "finished", "a note")
    for turn in (queue.pause, queue.resume, queue.cancel):
        with pytest.raises(UserError, match="is finished; it cannot be"):
            turn(job.id)
    assert queue.job(job.id).note == "a note"


def test_ids_are_given_by_their_beginning(queue):
    job = queue.add("a", {})
    assert queue.job(job.id[:6]) == job
    for wrong in ("", "zzz", "0" * 32):
        with pytest.raises(UserError, match="queue list"):
            queue.job(wrong)


def test_many_processes_take_each_job_once(where):
    with open_queue(where) as queue:
        for number in range(12):
            queue.add(str(number), {})
    code = """
import sys
from aldente.store.queue import open_queue
with open_queue(sys.argv[1]) as queue:
    while (job := queue.claim(sys.argv[2])) is not None:
        print(job.name)
"""
    run = [subprocess.Popen([sys.executable, "-c", code, where, str(n)], stdout=subprocess.PIPE, text=True) for n in range(3)]
    taken = [name for process in run for name in process.communicate(timeout=300)[0].split()]
    assert sorted(taken, key=int) == [str(number) for number in range(12)]


def test_the_queue_is_in_the_store(where):
    with open_store(where) as store, open_queue(where) as queue:
        queue.add("a", {})
        assert store.history() == []
    with open_queue(where) as queue:
        assert names(queue) == ["a"]
