"""The gang's generations: all start together, and again together when any was lost."""

from dataclasses import replace

from steelyard_trainer.gang.coordinator import FRESH_SECONDS, LOST_SECONDS, WHERE_SECONDS, Coordinator, Heartbeat


def beat(worker: int, generation: int = 0, phase="waiting", incarnation: str = "a") -> Heartbeat:
    return Heartbeat(worker, f"{worker}{incarnation}", generation, phase)


def test_nobody_starts_before_all_have_answered():
    gang = Coordinator(3)
    assert not gang.receive(beat(0), 0.0).start
    orders = gang.receive(beat(1), 0.1)
    assert not orders.start
    assert orders.missing == (2,)
    assert gang.receive(beat(2), 0.2).start
    assert gang.receive(beat(0), 0.3).start


def test_a_worker_that_was_heard_of_too_long_ago_is_missing():
    gang = Coordinator(2)
    gang.receive(beat(1), 0.0)
    orders = gang.receive(beat(0), FRESH_SECONDS + 0.1)
    assert not orders.start
    assert orders.missing == (1,)


def test_a_lost_process_makes_all_wait_in_the_next_generation():
    gang = Coordinator(2)
    gang.receive(beat(0), 0.0)
    gang.receive(beat(1), 0.0)
    assert gang.receive(beat(1, generation=1), 1.0).start is False
    orders = gang.receive(beat(0, phase="running"), 1.1)
    assert (orders.generation, orders.start) == (1, False)
    assert gang.receive(beat(0, generation=1), 1.2).start


def test_a_new_supervisor_ends_the_generation_that_it_was_not_part_of():
    gang = Coordinator(2)
    gang.receive(beat(0), 0.0)
    gang.receive(beat(1), 0.0)
    orders = gang.receive(beat(1, incarnation="b"), 1.0)
    assert (orders.generation, orders.start) == (1, False)


def test_a_new_coordinator_ends_the_generation_that_runs():
    gang = Coordinator(2)
    orders = gang.receive(beat(1, generation=4, phase="running"), 0.0)
    assert (orders.generation, orders.start) == (5, False)
    gang.receive(beat(0), 0.1)
    gang.receive(beat(1, generation=5), 0.2)
    assert gang.receive(beat(0, generation=5), 0.3).start


def test_a_silent_supervisor_is_lost():
    gang = Coordinator(2)
    gang.receive(beat(0), 0.0)
    gang.receive(beat(1), 0.0)
    assert gang.receive(beat(0, phase="running"), LOST_SECONDS).generation == 0
    orders = gang.receive(beat(0, phase="running"), LOST_SECONDS + 1)
    assert (orders.generation, orders.start, orders.missing) == (1, False, (0, 1))


def test_the_training_is_finished_when_worker_0_is_done():
    gang = Coordinator(2)
    gang.receive(beat(0), 0.0)
    gang.receive(beat(1), 0.0)
    assert not gang.receive(beat(1, phase="done"), 1.0).finished
    gang.receive(beat(0, phase="done"), 1.0)
    assert gang.receive(beat(1, phase="done"), 1.1).finished


def test_a_new_coordinator_starts_a_worker_again_that_was_done_before_worker_0():
    gang = Coordinator(2)
    gang.receive(beat(0), 0.0)
    orders = gang.receive(beat(1, phase="done"), 0.1)
    assert (orders.generation, orders.start) == (1, False)
    gang.receive(beat(0, generation=1), 0.2)
    assert gang.receive(beat(1, generation=1), 0.3).start


def test_every_worker_is_told_where_the_others_are_now():
    gang = Coordinator(2)
    assert gang.receive(replace(beat(0), host="10.0.0.1"), 0.0).hosts == ()
    assert gang.receive(replace(beat(1), host="10.0.0.2"), 0.1).hosts == ("10.0.0.1", "10.0.0.2")
    # Its pod was replaced by one with another address.
    orders = gang.receive(replace(beat(1, incarnation="b"), host="10.0.0.3"), 1.0)
    assert (orders.generation, orders.hosts) == (1, ("10.0.0.1", "10.0.0.3"))


def running(worker: int, idle: float, steps: int = 4, where: str = "", generation: int = 0) -> Heartbeat:
    return replace(beat(worker, generation, "running"), idle_seconds=idle, steps=steps, where=where)


def stalled_gang() -> Coordinator:
    gang = Coordinator(2, stall_seconds=30)
    gang.receive(beat(0), 0.0)
    gang.receive(beat(1), 0.0)
    assert not gang.receive(running(0, 29), 1.0).tell_where
    assert not gang.receive(running(1, 31, steps=3), 1.2).tell_where, "worker 0 goes on: worker 1 may wait for it"
    assert gang.receive(running(0, 30), 1.4).tell_where
    return gang


def test_a_gang_that_has_stalled_says_where_it_is_and_starts_again():
    gang = stalled_gang()
    assert gang.receive(running(0, 31, where="here"), 2.0).generation == 0
    orders = gang.receive(running(1, 32, steps=3, where="there"), 2.2)
    assert (orders.generation, orders.start, orders.tell_where) == (1, False, False)
    assert orders.stalled.startswith("worker 1 stalled: no step, epoch or progress line for 30 s")
    assert orders.stalled.endswith("there")
    assert gang.receive(running(0, 31), 2.4).stalled == orders.stalled
    gang.receive(beat(0, generation=1), 3.0)
    assert gang.receive(beat(1, generation=1), 3.0).start
    assert gang.receive(beat(1, generation=2), 4.0).stalled == "", "what comes later has its own reason"


def test_a_worker_that_can_not_say_where_it_is_is_not_waited_for():
    gang = stalled_gang()
    gang.receive(running(0, 31, where="here"), 2.0)
    assert gang.receive(running(1, 36, steps=3), 1.4 + WHERE_SECONDS).generation == 0
    orders = gang.receive(running(1, 36, steps=3), 1.5 + WHERE_SECONDS)
    assert orders.generation == 1
    assert orders.stalled.endswith("where it was is not known")


def test_a_gang_that_goes_on_after_all_is_let_alone():
    gang = stalled_gang()
    assert not gang.receive(running(0, 0.0, steps=5, where="here"), 2.0).tell_where
    assert gang.receive(running(1, 31, steps=3, where="there"), 2.1).generation == 0


def test_workers_that_are_done_are_not_waited_for():
    gang = Coordinator(2, stall_seconds=30)
    gang.receive(beat(0), 0.0)
    gang.receive(beat(1), 0.0)
    gang.receive(beat(1, phase="done"), 1.0)
    assert not gang.receive(running(0, 29), 1.0).tell_where
    assert gang.receive(running(0, 30), 2.0).tell_where, "nobody else is left that it could wait for"
