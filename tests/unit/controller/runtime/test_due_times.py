"""Times by name: the last one counts, the earliest comes first, and nothing piles up."""

from datetime import timedelta

from controller_support import NOW, ago

from steelyard.controller.runtime.due_times import DueTimes


def test_names_come_when_their_time_has_the_earliest_first_and_once() -> None:
    due: DueTimes[str] = DueTimes()
    due.put("later", NOW + timedelta(seconds=1))
    due.put("now", NOW)
    due.put("long ago", ago(9))
    assert due.pop(NOW) == ["long ago", "now"] and due.pop(NOW) == [] and len(due) == 1
    assert due.pop(NOW + timedelta(seconds=1)) == ["later"] and len(due) == 0


def test_the_last_time_of_a_name_counts() -> None:
    due: DueTimes[str] = DueTimes()
    due.put("postponed", ago(9))
    due.put("postponed", NOW + timedelta(seconds=9))
    due.put("earlier", NOW + timedelta(seconds=9))
    due.put("earlier", NOW)
    due.put("gone", NOW)
    due.put("gone", None)
    assert due.pop(NOW) == ["earlier"]
    assert due.pop(NOW + timedelta(seconds=9)) == ["postponed"]


def test_a_clock_that_jumps_back_makes_nothing_due() -> None:
    due: DueTimes[str] = DueTimes()
    due.put("job", NOW)
    assert due.pop(ago(86400)) == [] and due.pop(NOW) == ["job"]


def test_a_name_that_is_put_back_comes_again() -> None:
    due: DueTimes[str] = DueTimes()
    due.put("job", NOW)
    assert due.pop(NOW) == ["job"]
    due.put("job", NOW)
    assert due.pop(NOW) == ["job"]


def test_what_no_longer_counts_is_not_kept() -> None:
    due: DueTimes[int] = DueTimes()
    for second in range(10_000):
        due.put(second % 3, NOW + timedelta(seconds=second))
    assert len(due) == 3 and len(due._heap) < 100
    assert due.pop(NOW + timedelta(seconds=10_000)) == [0, 1, 2] or len(due) == 0
