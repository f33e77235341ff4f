from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from merc.server.queue import Job, Queue
from merc.server.queue.jobs import LEASE
from merc.server.queue.tables import JOBS, Database


def late(database: Database, job: Job) -> None:
    """Let the lease of a job end, as if its worker had been silent for longer."""
    with database.write() as connection:
        connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(lease=JOBS.c.lease - 2 * LEASE))


def states(queue: Queue, job: Job) -> list[str]:
    return [event.data["state"] for event in queue.events(job.id) if event.kind == "state"]


def test_jobs_are_taken_in_order_and_once(queue: Queue) -> None:
    jobs = [Job(f"{number}.wav", {"speakers": number}) for number in range(3)]
    assert all(queue.add(job, most=3) for job in jobs)
    taken = [queue.claim("a"), queue.claim("b"), queue.claim("a"), queue.claim("b")]
    assert [job and job.name for job in taken] == ["0.wav", "1.wav", "2.wav", None]
    assert taken[1] is not None
    assert taken[1].options == {"speakers": 1}


def test_a_full_queue_refuses(queue: Queue) -> None:
    assert queue.add(Job("a.wav"), most=1)
    assert not queue.add(Job("b.wav"), most=1)
    assert (job := queue.claim("a"))
    assert not queue.add(Job("b.wav"), most=1), "a running job counts"
    assert queue.fail(job, "why \ud800\0")
    assert queue.listed(limit=1)[0].reason == "why ??"
    assert queue.add(Job("b.wav"), most=1)


def test_many_claims_at_a_time_share_no_job(queue: Queue) -> None:
    for number in range(20):
        queue.add(Job(f"{number}.wav"), most=100)
    taken: list[str] = []

    def work(name: str) -> None:
        while job := queue.claim(name):
            taken.append(job.id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 20


def test_a_job_whose_worker_died_is_taken_over_and_the_first_claim_is_refused(queue: Queue, database: Database) -> None:
    queue.add(Job("a.wav"), most=9)
    first = queue.claim("a")
    assert first is not None
    assert queue.claim("b") is None, "the lease holds"
    late(database, first)
    second = queue.claim("b")
    assert second is not None
    assert second.id == first.id
    assert (second.fence, second.attempts) == (2, 2)
    published: list[str] = []
    assert not queue.renew(first)
    assert not queue.report(first, "decode", 1, 2)
    assert not queue.finish(first, "a.merc", lambda: published.append("first"), recorded=1)
    assert not queue.fail(first, "why")
    assert queue.finish(second, "a.merc", lambda: published.append("second"), recorded=1)
    assert published == ["second"]
    assert not queue.finish(second, "a.merc", lambda: published.append("again"), recorded=1)
    assert states(queue, second) == ["queued", "running", "running", "done"]
    assert queue.totals()["done"][:2] == (1, 1.0)


def test_a_dead_worker_is_not_waited_for(queue: Queue) -> None:
    queue.add(Job("a.wav"), most=9)
    queue.claim("a")
    queue.died("a")
    assert queue.claim("b") is not None


def test_results_that_cannot_be_published_leave_the_job_running(queue: Queue) -> None:
    queue.add(Job("a.wav"), most=9)
    job = queue.claim("a")
    assert job is not None

    def publish() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        queue.finish(job, "a.merc", publish, recorded=1)
    found = queue.get(job.id)
    assert found is not None
    assert (found.state, found.result) == ("running", None)


def test_a_job_that_kills_its_workers_fails(queue: Queue) -> None:
    queue.add(Job("a.wav"), most=9)
    queue.add(Job("b.wav"), most=9)
    for number in range(10):
        job = queue.claim(f"w{number}")
        assert job is not None
        assert job.name == "a.wav"
        queue.died(f"w{number}")
    job = queue.claim("w")
    assert job is not None
    assert job.name == "b.wav", "the next one is taken"
    failed = queue.listed(limit=9)[-1]
    assert failed.state == "failed"
    assert failed.reason is not None
    assert "died 10 times" in failed.reason


def test_a_job_that_is_given_back_has_lost_no_attempt(queue: Queue) -> None:
    queue.add(Job("a.wav"), most=9)
    for _ in range(5):
        job = queue.claim("a")
        assert job is not None
        assert job.attempts == 1
        queue.release(job)


def test_a_removed_job_is_no_longer_its_workers(queue: Queue) -> None:
    queue.add(Job("a.wav"), most=9)
    job = queue.claim("a")
    assert job is not None
    assert queue.remove(job.id)
    assert not queue.renew(job)
    assert queue.get(job.id) is None
    assert queue.events(job.id) == []
    assert not queue.remove(job.id)


def test_events_resume_after_one_of_them(queue: Queue) -> None:
    queue.add(Job("a.wav"), most=9)
    job = queue.claim("a")
    assert job is not None
    queue.report(job, "decode", 1, 2)
    events = queue.events(job.id)
    assert [event.kind for event in events] == ["state", "state", "progress"]
    assert queue.events(job.id, after=events[1].id) == events[2:]
    assert events[2].data == {"stage": "decode", "done": 1, "total": 2}


def test_what_is_outdated_and_transient(queue: Queue, database: Database) -> None:
    for transient in (False, True):
        queue.add(Job("a.wav", transient=transient), most=9)
        job = queue.claim("a")
        assert job is not None
        queue.fail(job, "why")
    with database.write() as connection:
        connection.execute(sa.update(JOBS).values(finished=JOBS.c.finished - 100))
    assert len(queue.outdated(keep=None, transient=50)) == 1
    assert len(queue.outdated(keep=50, transient=50)) == 2
    assert queue.outdated(keep=200, transient=200) == []
    assert len(queue.listed(limit=9)) == 1, "transient ones are not listed"


def test_workers_that_live_are_counted(queue: Queue) -> None:
    assert queue.ready() == 0
    queue.beat("a")
    queue.beat("a")
    queue.beat("b")
    assert queue.ready() == 2
    queue.died("a")
    assert queue.ready() == 1


@pytest.mark.parametrize("id_", ["", "x" * 32, "a\0b", "A" * 32, "0" * 33])
def test_what_is_not_an_id_is_absent(queue: Queue, id_: str) -> None:
    assert queue.get(id_) is None
