import signal
import threading
import time

import pytest

from data_pipelines.ground import read_ahead


def test_items_come_in_order_and_are_made_ahead():
    made, reached = [], threading.Event()

    def items():
        for number in range(5):
            made.append(number)
            if number == 2:
                reached.set()
            yield number

    found = read_ahead.read_ahead(items(), depth=2)
    assert next(found) == 0
    assert reached.wait(5.0)  # though only item 0 was asked for
    assert [*found] == [1, 2, 3, 4]
    assert made == [0, 1, 2, 3, 4]


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise OSError("unreadable")

    found = read_ahead.read_ahead(items())
    assert next(found) == 1
    with pytest.raises(OSError, match="unreadable"):
        next(found)


def test_the_thread_ends_with_a_user_who_stops():
    before = threading.active_count()
    found = read_ahead.read_ahead(iter(int, 1), depth=1)  # endless zeros
    assert next(found) == 0
    found.close()
    assert threading.active_count() == before


def test_ctrl_c_does_not_wait_for_an_item():
    asked, waits = threading.Event(), threading.Event()
    main = threading.main_thread().ident

    def items():
        yield 0
        asked.wait(5.0)
        time.sleep(0.1)  # until the user waits for the item
        signal.pthread_kill(main, signal.SIGINT)
        waits.wait(20.0)
        yield 1

    # Processes of pytest-xdist ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        found = read_ahead.read_ahead(items())
        assert next(found) == 0
        asked.set()
        with pytest.raises(KeyboardInterrupt):
            next(found)
    finally:
        signal.signal(signal.SIGINT, before)
    (thread,) = (t for t in threading.enumerate() if t.name == "read_ahead")
    waits.set()
    thread.join(5.0)
    assert not thread.is_alive()
