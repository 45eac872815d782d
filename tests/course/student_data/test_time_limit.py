"""What takes this process too long is stopped; where somebody takes the stop for an error of theirs, it is known."""

import signal
import threading

import pytest

from autograder.student_data.time_limit import TimeUp, limited


def _for_ever(limits):
    with limited(0.05) as limit:
        limits.append(limit)
        while True:
            pass


def test_what_takes_too_long_is_stopped():
    before = signal.getsignal(signal.SIGALRM)
    limits = []
    with pytest.raises(TimeUp):
        _for_ever(limits)
    assert limits[0].is_over
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_swallows_the_stop_is_known():
    with limited(0.05) as limit:
        try:
            while True:
                pass
        except BaseException:  # as nbgrader does
            caught = True
    assert caught
    assert limit.is_over


def test_what_is_quick_is_left_alone():
    with limited(60) as limit:
        pass
    assert not limit.is_over


def test_in_a_thread_where_no_signal_comes_nothing_is_stopped():
    found = []

    def work():
        with limited(0.01) as limit:
            found.append(limit)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [limit.is_over for limit in found] == [False]
