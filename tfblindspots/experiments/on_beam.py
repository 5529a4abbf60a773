"""Makes shards with Apache Beam: by several processes of this machine, or on any other runner.

Only ``engines`` imports it: Beam is an extra, and takes seconds to import.
"""

import contextlib
import dataclasses
import io
import logging
import re
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from absl import logging as absl_logging
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from apache_beam.utils.shared import Shared

from tfblindspots.artifacts import read_json, write_json
from tfblindspots.errors import InputError
from tfblindspots.experiments.leash import Leash
from tfblindspots.experiments.shards import Shards
from tfblindspots.experiments.workers import Inputs, Work
from tfblindspots.stopping import finish_first

_NAMESPACE = "tfblindspots"
_WORKER = "tfblindspots.experiments.beam_worker"
# The runners of this machine. Beam's DirectRunner would download the Prism runner, a program, and
# its FnApiRunner is what that falls back to.
_HERE = ("", "directrunner", "direct", "fnapirunner")
_LOOK_EVERY = 0.2  # seconds
_CLOSING = 1.0  # seconds
# An error of the user's in what Beam raises, which holds the texts of errors, and how Beam ends it.
_TOLD = re.compile(r"^tfblindspots\.errors\.InputError: (.*) \[while running '", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class StopMark:
    """A hidden file that asks a job's workers, wherever they run, to begin no further shard.

    Attributes:
      directory: of the set.
      job: a name that no other job has; several may make shards of the set at the same time.
    """

    directory: Path
    job: str

    @property
    def _path(self) -> Path:
        return self.directory / f".stop-{self.job}.json"

    def set(self, error: str | None = None) -> None:
        """Asks, and says for which error of the user's.

        Raises:
          OutputError: the disk is full, say.
        """
        write_json(self._path, {"error": error})

    def clear(self) -> None:
        """Takes it back."""
        # From a disk that has become read-only nothing can be removed.
        with contextlib.suppress(OSError):
            self._path.unlink()

    def is_set(self) -> bool:
        """Whether it is asked."""
        return self._path.exists()

    def error(self) -> str | None:
        """For which error; None where for none, or where nothing is asked."""
        return read_json(self._path)["error"] if self.is_set() else None


class MakeShard(beam.DoFn):
    """From the number of a shard to that number, once the shard is there.

    Metrics, in the namespace ``tfblindspots``: the counters ``shards`` and ``images``, and the
    distribution ``seconds_a_shard``.
    """

    # In one worker process Beam may call several copies at the same time. Computing is for one
    # after the other: it takes all cores or the device, and memory.
    _one_at_a_time = threading.Lock()

    def __init__(self, work: Work, mark: StopMark) -> None:
        """Makes shards of this work until the mark is set."""
        super().__init__()
        self._work = work
        self._mark = mark
        self._shared = Shared()  # by all copies in a worker process
        self._shards: Shards | None = None
        self._count = Metrics.counter(_NAMESPACE, "shards")
        self._images = Metrics.counter(_NAMESPACE, "images")
        self._seconds = Metrics.distribution(_NAMESPACE, "seconds_a_shard")

    def setup(self) -> None:
        """Loads the model and the images, once a process."""
        with self._user_errors():
            self._shards = self._shared.acquire(self._work.open)

    def process(self, shard: int) -> Iterator[int]:
        """Makes the shard, unless it is there or the job is to end."""
        with self._one_at_a_time, self._user_errors():
            if self._shards is None or self._mark.is_set():
                return
            # A runner repeats what it is not sure of.
            if shard in self._shards.writer.missing_shards():
                start = time.perf_counter()
                self._shards.make(shard)
                self._count.inc()
                self._images.inc(self._shards.size(shard))
                self._seconds.update(round(time.perf_counter() - start))
            yield shard

    @contextlib.contextmanager
    def _user_errors(self) -> Iterator[None]:
        """Ends the job for what is no defect, and which no runner need try again."""
        try:
            yield
        except (InputError, OSError) as error:
            message = " ".join(str(error).split())
            try:
                self._mark.set(message)
            except OSError:
                # Nothing can be written there. ``_Job.check`` finds it in what the runner raises.
                raise InputError(message) from None


@dataclasses.dataclass(frozen=True)
class BeamEngine:
    """An ``Engine`` that has Beam's workers make the shards, and waits for them.

    The set's directory, and what the inputs name, must be there for all workers under the same
    paths.

    Attributes:
      inputs: how a worker loads the model and the images.
      options: of Beam, ``"name=value"`` or ``"name"`` each, such as ``"runner=FlinkRunner"``; on
        this machine ``"direct_num_workers=2"`` (default: as many as there are cores).

    Raises:
      InputError: Beam does not know an option.
    """

    inputs: Inputs
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _parse(self.options)

    def __call__(
        self, shards: Shards, numbers: Sequence[int], progress: Callable[[int], object]
    ) -> None:
        """Makes shards, in any order; arguments as of every ``Engine``.

        When the system asks the process to end (SIGTERM), the shards in work are made first.

        Raises:
          InputError: a worker met one, or ended by itself.
          Stopped: the process was asked to end.
        """
        work = Work.of(shards, self.inputs)
        mark = StopMark(work.directory, uuid.uuid4().hex)
        with contextlib.ExitStack() as last, finish_first() as request:
            last.callback(mark.clear)
            if self._here:
                last.enter_context(_quiet())
            lost = last.enter_context(_lost_workers())
            with Leash() as leash:
                job = _Job(self._pipeline(MakeShard(work, mark), numbers, leash))
                last.callback(job.join)
                try:
                    while job.running():
                        progress(_done(shards, numbers))
                        if request.asked and not mark.is_set():
                            mark.set()
                        if lost and request.asked:
                            break  # The system ends all processes, it seems.
                        if lost:
                            raise _worker_lost(lost[0], leash)
                    else:
                        job.check()
                finally:
                    job.cancel()
            progress(_done(shards, numbers))
            error = mark.error()
            if error is not None:
                raise InputError(error)
            if not request.asked:
                _require_all(shards, numbers)

    @property
    def _here(self) -> bool:
        """Whether the workers are processes of this machine, which this process starts."""
        return (_parse(self.options).view_as(StandardOptions).runner or "").lower() in _HERE

    def _pipeline(self, make: MakeShard, numbers: Sequence[int], leash: Leash) -> beam.Pipeline:
        options = _parse(self.options)
        runner = None
        if self._here:
            direct = options.view_as(DirectOptions)
            environment = None
            if direct.direct_running_mode == "multi_processing":
                # Said so, Beam would start workers of its own kind.
                direct.direct_running_mode = "in_memory"
                environment = SubprocessSDKEnvironment.from_command_string(leash.command(_WORKER))
            runner = FnApiRunner(default_environment=environment)
        pipeline = beam.Pipeline(runner=runner, options=options)
        (
            pipeline
            | "Numbers" >> beam.Create(list(numbers))
            | "Spread" >> beam.Reshuffle()
            | "Attack" >> beam.ParDo(make)
        )
        return pipeline


class _Job:
    """A pipeline that runs in a thread: on this machine Beam returns when all is done."""

    def __init__(self, pipeline: beam.Pipeline) -> None:
        self._pipeline = pipeline
        self._result: PipelineResult | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._pipeline.run()
            self._result.wait_until_finish()
        except BaseException as error:
            self._error = error

    def running(self) -> bool:
        """Waits a little, and says whether the job goes on."""
        self.join(_LOOK_EVERY)
        return self._thread.is_alive()

    def check(self) -> None:
        """Raises what the pipeline raised, and says what its metrics tell.

        Raises:
          InputError: a worker met one, and could not set the mark.
        """
        if self._error is not None:
            users = _TOLD.search("".join(traceback.format_exception_only(self._error)))
            if users is not None:
                raise InputError(users[1]) from None
            raise self._error
        assert self._result is not None
        found = self._result.metrics().query()
        told = [f"{m.key.metric.name} {m.committed}" for m in found["counters"]]
        told += [
            f"{m.key.metric.name} {r.min} to {r.max}, mean {r.mean:.3g}"
            for m in found["distributions"]
            if (r := m.committed) is not None
        ]
        absl_logging.info("Beam: %s", "; ".join(told) or "no metrics")

    def join(self, seconds: float = _CLOSING) -> None:
        """Waits until the job has ended, as it soon does once its workers have."""
        self._thread.join(seconds)

    def cancel(self) -> None:
        """Ends the job where it runs elsewhere and goes on."""
        if self._thread.is_alive() and self._result is not None:
            self._result.cancel()


def _parse(options: Sequence[str]) -> PipelineOptions:
    given = [f"--{option.strip().lstrip('-')}" for option in options]
    here = ["--direct_num_workers=0", "--direct_running_mode=multi_processing"]
    parsed = PipelineOptions([*here, *given])
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), _quiet():
            known = parsed.get_all_options()
            everything = parsed.get_all_options(retain_unknown_options=True)
    except SystemExit:
        raise InputError(
            f"beam_options are wrong: {complaint.getvalue().strip().splitlines()[-1]}."
        ) from None
    unknown = sorted(everything.keys() - known.keys())
    if unknown:
        raise InputError(
            f"beam_options hold {', '.join(unknown)}, which Beam does not know; expected options "
            "of Beam's, such as runner=FlinkRunner,flink_master=localhost:8081."
        )
    return parsed


def _done(shards: Shards, numbers: Sequence[int]) -> int:
    missing = set(shards.writer.missing_shards())
    return sum(shards.size(number) for number in numbers if number not in missing)


def _worker_lost(how: BaseException | None, leash: Leash) -> InputError:
    return InputError(
        f"a worker of Beam's has ended by itself ({how}); out of memory, perhaps: take fewer "
        "(--beam_options=direct_num_workers=1) or a smaller --batch_size. Last words: "
        f"{leash.last_words()}"
    )


def _require_all(shards: Shards, numbers: Sequence[int]) -> None:
    missing = set(shards.writer.missing_shards()) & set(numbers)
    if missing:
        raise InputError(
            f"Beam's job has ended, and {shards.directory} lacks {len(missing)} of {len(numbers)} "
            "shards; expected a directory that all workers share, under the same path."
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Beam tells much, and of an error in a worker the same several times."""
    logger = logging.getLogger("apache_beam")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _lost_workers() -> Iterator[list[BaseException | None]]:
    """Gives what is raised where Beam waits for a worker of this machine that ended by itself.

    Beam does not look at that, and would wait for the worker's results forever.
    """
    lost = []
    hook = threading.excepthook

    def look(args: threading.ExceptHookArgs) -> None:
        if args.thread is not None and args.thread.name == "run_worker":
            lost.append(args.exc_value)
        else:
            hook(args)

    threading.excepthook = look
    try:
        yield lost
    finally:
        threading.excepthook = hook
