import os
import signal
import subprocess
import sys
import threading

import pytest

from tfblindspots.stopping import Stopped, finish_first, stop_on_sigterm


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_is_raised_where_the_block_is() -> None:
    before, done = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(Stopped), stop_on_sigterm():
        done.append("before")
        ask()
        done.append("after")
    assert done == ["before"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_is_put_off_until_the_block_has_ended() -> None:
    done = []
    with pytest.raises(Stopped), stop_on_sigterm(), finish_first() as stop:
        for piece in range(5):
            if piece == 2:
                ask()
            done.append(piece)
            if stop.asked:
                break
    assert done == [0, 1, 2]


def test_a_block_that_is_not_asked_changes_nothing() -> None:
    with stop_on_sigterm():
        with finish_first() as stop:
            assert not stop.asked
        with pytest.raises(Stopped):
            ask()


def test_a_second_sigterm_ends_the_block_at_once() -> None:
    done = []
    with pytest.raises(Stopped), stop_on_sigterm(), finish_first() as stop:
        ask()
        done.append(stop.asked)
        ask()
        done.append("after")
    assert done == [True]


def test_an_error_in_the_block_is_not_hidden_by_the_request() -> None:
    with pytest.raises(ZeroDivisionError), stop_on_sigterm(), finish_first():
        ask()
        raise ZeroDivisionError


def test_signals_are_left_alone_where_no_script_took_them() -> None:
    with finish_first() as stop:
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert not stop.asked
    seen = []

    def enter() -> None:
        with stop_on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


def test_a_further_sigterm_ends_the_process_even_in_the_middle_of_its_clean_end() -> None:
    program = (
        "import os, signal\n"
        "from tfblindspots.stopping import stop_on_sigterm\n"
        "with stop_on_sigterm():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    finally:\n"
        "        print('clean', flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        print('late', flush=True)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert result.returncode == -signal.SIGTERM
    assert result.stdout == b"clean\n"
