"""Whoever makes a set's shards, and whatever happens to them, the set is the same."""

import errno
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.experiments.engine_runs import contents, inputs
from tfblindspots import runtime
from tfblindspots.attacks import AdversarialExamples, find_adversarial_examples
from tfblindspots.errors import InputError, OutputError
from tfblindspots.experiments import AttackRun, Engine, beam_engine, device_engine
from tfblindspots.experiments.device_worker import serve
from tfblindspots.experiments.workers import Work
from tfblindspots.stopping import Stopped, stop_on_sigterm

if TYPE_CHECKING:
    from tfblindspots.experiments.on_beam import StopMark

SEARCH = "tfblindspots.experiments.shards.find_adversarial_examples"
IN_THIS_PROCESS = ["direct_running_mode=in_memory", "--direct_num_workers=1"]
Act = Callable[[], None]


@pytest.fixture
def at_shard_2(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act], list[int]]:
    """Has something happen, once, within the second shard that this process makes."""

    def at_second(act: Act) -> list[int]:
        calls: list[int] = []

        def search(*arguments: Any, **named: Any) -> AdversarialExamples:
            calls.append(threading.get_ident())
            if len(calls) == 2:
                act()
            return find_adversarial_examples(*arguments, **named)

        monkeypatch.setattr(SEARCH, search)
        return calls

    return at_second


def shards_made(run: AttackRun) -> int:
    return len(list(run.directory.glob("[!.]*.tfrecord-*")))


def marks(run: AttackRun) -> list[Path]:
    return list(run.directory.glob(".stop*"))


def mark_of(run: AttackRun, job: str) -> "StopMark":
    # Beam takes seconds to import, and warns of what it lacks; ``beam_engine`` has done it.
    from tfblindspots.experiments.on_beam import StopMark

    return StopMark(run.directory, job)


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("kind", ["beam", "devices"])
def test_two_processes_make_the_same_bytes(
    kind: str,
    run: AttackRun,
    expected: dict[str, bytes],
    model_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # This one is not to help.
    monkeypatch.setattr(SEARCH, lambda *_, **__: pytest.fail("here"))
    engine: Engine = (
        beam_engine(inputs(model_directory), ["direct_num_workers=2"])
        if kind == "beam"
        else device_engine(inputs(model_directory), ["CPU:0", "CPU:1"])
    )
    seen = []
    manifest = run.complete(
        lambda shards, numbers, progress: engine(
            shards, numbers, lambda done: (progress(done), seen.append(done))
        )
    )
    assert contents(run.directory) == expected
    assert manifest["summary"]["count"] == 30
    assert seen == sorted(seen)
    assert seen[-1] == 30
    assert capfd.readouterr() == ("", "")
    # What they ended with does not matter to a process that has nothing to do.
    assert run.complete(engine) == manifest


@pytest.mark.parametrize("error", [InputError("NaN it is."), OSError(28, "No space left")])
def test_what_is_wrong_in_a_worker_of_beams_is_told(
    error: Exception,
    run: AttackRun,
    expected: dict[str, bytes],
    model_directory: Path,
    at_shard_2: Callable[[Act], list[int]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    engine = beam_engine(inputs(model_directory), IN_THIS_PROCESS)
    calls = at_shard_2(lambda: raise_(error))
    with pytest.raises(InputError) as told:
        run.complete(engine)
    assert str(told.value) == str(error)
    assert shards_made(run) == 1
    assert len(calls) == 2  # The others are not begun.
    assert capfd.readouterr() == ("", "")
    # Another job's workers, which make other shards of the set, may be asked to end.
    other = mark_of(run, "other")
    other.set("theirs")
    assert run.make_part(range(4), engine) == []
    assert other.error() == "theirs"
    other.clear()
    run.complete(engine)
    assert len(calls) == 5
    assert contents(run.directory) == expected


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_any_more_is_told_by_a_worker_of_beams(
    number: int,
    run: AttackRun,
    model_directory: Path,
    at_shard_2: Callable[[Act], list[int]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    engine = beam_engine(inputs(model_directory), IN_THIS_PROCESS)
    message = f"shard-1 cannot be written ({os.strerror(number)}); whatever was finished is there."

    def refuse(*_: object) -> None:
        raise OutputError("the mark, of which nobody wants to hear")

    def fill() -> None:
        # Neither the shard nor the mark can be written, nor can anything be removed.
        monkeypatch.setattr("tfblindspots.experiments.on_beam.write_json", refuse)
        monkeypatch.setattr(Path, "unlink", lambda *_, **__: raise_(OSError(number, "refused")))
        raise OutputError(message.replace(" w", "\nw"))

    at_shard_2(fill)
    with pytest.raises(InputError) as told:
        run.make_part(range(4), engine)
    monkeypatch.undo()
    assert str(told.value) == message
    assert shards_made(run) == 1
    assert capfd.readouterr() == ("", "")


def test_a_defect_in_a_worker_of_beams_keeps_its_traceback(
    run: AttackRun, model_directory: Path, at_shard_2: Callable[[Act], list[int]]
) -> None:
    at_shard_2(lambda: raise_(ZeroDivisionError("defect")))
    with pytest.raises(Exception, match="defect"):
        run.complete(beam_engine(inputs(model_directory), IN_THIS_PROCESS))
    assert shards_made(run) == 1
    assert not marks(run)


def test_sigterm_ends_beams_job_after_the_shard_in_work(
    run: AttackRun,
    expected: dict[str, bytes],
    model_directory: Path,
    at_shard_2: Callable[[Act], list[int]],
) -> None:
    engine = beam_engine(inputs(model_directory), IN_THIS_PROCESS)

    def terminate() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        while not marks(run):
            threading.Event().wait(0.01)

    calls = at_shard_2(terminate)
    with pytest.raises(Stopped), stop_on_sigterm():
        run.complete(engine)
    assert threading.get_ident() not in calls
    assert shards_made(run) == 2
    run.complete(engine)
    assert contents(run.directory) == expected


def test_workers_that_see_other_inputs_are_told(run: AttackRun, model_directory: Path) -> None:
    engine = beam_engine(inputs(model_directory, "test[:29]"), IN_THIS_PROCESS)
    with pytest.raises(InputError, match=r"other settings \(--split=test\[:30\] there, test\[:29"):
        run.complete(engine)
    assert shards_made(run) == 0


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the program that is started as a worker."""

    def set_worker(program: str) -> None:
        (tmp_path / "short_lived.py").write_text(f"import os, signal, sys\n{program}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr("tfblindspots.experiments.on_beam._WORKER", "short_lived")
        monkeypatch.setattr("tfblindspots.experiments.on_devices._WORKER", "short_lived")

    return set_worker


@pytest.mark.parametrize("kind", ["beam", "devices"])
def test_sigterm_to_all_processes_is_no_error_of_a_worker_that_it_ends(
    kind: str, run: AttackRun, model_directory: Path, worker: Callable[[str], None]
) -> None:
    engine = (
        beam_engine(inputs(model_directory), ["direct_num_workers=1"])
        if kind == "beam"
        else device_engine(inputs(model_directory), ["CPU:0"])
    )
    # As before the shell has taken its first step.
    worker("os.kill(os.getppid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(Stopped), stop_on_sigterm():
        run.complete(engine)
    assert not run.directory.exists()


def test_a_worker_of_beams_that_ends_by_itself_is_told(
    run: AttackRun,
    model_directory: Path,
    worker: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker("sys.exit('tired')")
    monkeypatch.setattr("tfblindspots.experiments.on_beam._CLOSING", 0.1)
    with pytest.raises(InputError) as error:
        run.complete(beam_engine(inputs(model_directory), ["direct_num_workers=1"]))
    told = str(error.value)
    assert told.startswith("a worker of Beam's has ended by itself (Worker subprocess exited with")
    assert told.endswith("Last words: tired")
    assert not run.directory.exists()


def test_a_process_of_a_device_that_ends_by_itself_is_told(
    run: AttackRun, model_directory: Path, worker: Callable[[str], None]
) -> None:
    # Signals to the whole group of processes are left to this one.
    worker("os.kill(os.getpid(), signal.SIGTERM); sys.exit('tired')")
    with pytest.raises(InputError) as error:
        run.complete(device_engine(inputs(model_directory), ["GPU:1"]))
    told = str(error.value)
    assert told.startswith("the process of GPU:1 has ended by itself (exit status 1)")
    assert told.endswith("Last words: tired")


def test_what_is_wrong_in_the_process_of_a_device_is_told(
    run: AttackRun, model_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.make_part(range(1))
    ours, theirs = Pipe()
    seen: list[str] = []
    monkeypatch.setattr(runtime, "see_only", seen.append)
    ended = threading.Event()
    monkeypatch.setattr("os._exit", lambda status: ended.set())
    shards = run._shards(run._choose(), run._job)
    ours.send((Work.of(shards, inputs(model_directory)), "GPU:1"))
    ours.send(2)
    ours.send(1)

    def search(*arguments: Any, **named: Any) -> AdversarialExamples:
        if len(list(run.directory.glob("[!.]*.tfrecord-*"))) == 2:
            raise InputError("NaN it is.")
        return find_adversarial_examples(*arguments, **named)

    monkeypatch.setattr(SEARCH, search)
    serve(theirs)
    said = []
    while ours.poll():
        said.append(ours.recv())
    ours.close()
    assert ended.wait(60)  # Later it would be this process that ends.
    assert seen == ["GPU:1"]
    assert said[-2] is None  # Shard 2 is made,
    assert said[-3] == 8  # all of its images.
    assert isinstance(said[-1], InputError)
    assert str(said[-1]) == "NaN it is."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["direct_workers=2"], "beam_options hold direct_workers, which Beam does not know; exp"),
        (["direct_num_workers=two"], "beam_options are wrong: "),
        (["direct_running_mode=magic"], "beam_options are wrong: "),
    ],
)
def test_options_that_beam_does_not_know(
    options: list[str], message: str, model_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError) as error:
        beam_engine(inputs(model_directory), options)
    assert str(error.value).startswith(message)
    assert capfd.readouterr() == ("", "")


def test_beam_is_an_extra(model_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "apache_beam" else found(name)
    )
    with pytest.raises(InputError) as error:
        beam_engine(inputs(model_directory))
    assert str(error.value) == (
        "Apache Beam is not installed; say pip install '.[beam]' in the folder of the source, or "
        "leave --runner=beam out."
    )
    assert "tfblindspots.experiments.beam_worker" not in sys.modules
