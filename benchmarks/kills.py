r"""Kills jobs (SIGKILL) at random moments, again and again, and checks that nothing is lost by it.

Example:
  python -m benchmarks.kills --kills=50 --train_kills=10 --write_kills=200 --dataset=mnist \
      --num_examples=10000 --output_dir=results/kills

Three kinds of processes are killed: scripts/attack.py and scripts/train.py, started anew with the
same flags each time until all kills are delivered and the job ends by itself; and one that does
nothing but write files. Most moments are uniform from the start of a process to some shards later;
every third is the middle of a write. After each kill every file that bears a final name must be
complete. In the end the results must be those of a run that nobody disturbed, byte by byte, save
for times.

Processes are forked from this one, which has imported TensorFlow and never used it: what a process
does from its first flag on is what the script does.
"""

import argparse
import json
import math
import os
import random
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.report import commit
from tfblindspots import experiments
from tfblindspots.artifacts import atomic_path, build_manifest, read_json, write_json
from tfblindspots.experiments.shards import Shards
from tfblindspots.training import CHECKPOINTS

SCRIPTS = Path(__file__).parents[1] / "scripts"
_TEMPORARY = ".*.tmp"
_LEFT = (_TEMPORARY, ".*.old")
_POLL = 0.0005  # seconds
_PATIENCE = 600.0  # seconds that a job may take to come to what is waited for
# What of a manifest tells when and how fast it was made, not what.
_TIMES = ("created", "seconds", "images_per_second", "train_seconds", "peak_memory_mib")


class Command(NamedTuple):
    """A script and its flags but the output directory."""

    script: str
    flags: list[str]


class Watched:
    """A job in a process of its own."""

    def __init__(self, job: Callable[[], object], log: Path) -> None:
        """Starts it; what it says goes to the end of ``log``."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            _become(job, log)
        self.status: int | None = None

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        if self.status is None and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.status = 0
        return self.status is not None

    def wait(self) -> int:
        """Waits for its end; its exit status."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> bool:
        """Kills it; whether it was still at work."""
        if self.ended():
            return False
        os.kill(self.pid, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL


def _become(job: Callable[[], object], log: Path) -> None:
    """Goes on as the job; never returns."""
    status = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        job()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
    finally:
        os._exit(status)


def _script(command: Command, directory: Path, begun: Path) -> Callable[[], object]:
    """The job of running a script, which notes in the file ``begun`` each shard that it begins."""

    def job() -> None:
        make = Shards.make

        def noting(self: Shards, shard: int, *rest: Any, **others: Any) -> None:
            with begun.open("a") as file:
                file.write(f"{shard}\n")
            make(self, shard, *rest, **others)

        Shards.make = noting  # type: ignore[method-assign]
        path = SCRIPTS / f"{command.script}.py"
        sys.argv = [str(path), *command.flags, f"--output_dir={directory}"]
        runpy.run_path(str(path), run_name="__main__")

    return job


def _shards(directory: Path) -> list[Path]:
    return sorted(directory.glob("[!.]*.tfrecord-*"))


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def _wait(process: Watched, until: Callable[[], bool]) -> None:
    """Until that is so, or the process has ended."""
    deadline = time.monotonic() + _PATIENCE
    while not process.ended() and not until():
        if time.monotonic() > deadline:
            raise TimeoutError("a job makes no progress")
        time.sleep(_POLL)


class Undisturbed(NamedTuple):
    """A job that ran by itself."""

    directory: Path
    first: float  # seconds until its first shard or checkpoint was there
    each: float  # seconds for each that followed


def run_undisturbed(command: Command, directory: Path, work: Path) -> Undisturbed:
    """The result to compare with, and how long things take."""
    start = time.monotonic()
    process = Watched(_script(command, directory, work / "begun.txt"), work / "log.txt")
    _wait(process, lambda: bool(_shards(directory) or list(directory.glob(CHECKPOINTS))))
    first = time.monotonic() - start
    while not process.ended():
        time.sleep(_POLL)
    if not directory.is_dir():
        raise RuntimeError(f"{command.script} fails; see {work / 'log.txt'}")
    count = max(1, len(_shards(directory)))
    return Undisturbed(directory, first, (time.monotonic() - start - first) / count)


def kill_repeatedly(
    command: Command, expected: Undisturbed, directory: Path, work: Path, kills: int, seed: int
) -> dict[str, Any]:
    """Runs a job into ``directory`` and kills it so often; what came of it.

    Returns:
      ``kills``, delivered; ``runs``, results that were completed; ``in_writing``, kills in the
      middle of a write; ``lost``, shards begun and not finished at each kill; ``seconds``;
      ``problems``, what should not be.
    """
    draw = random.Random(seed)
    begun, log = work / "begun.txt", work / "log.txt"
    total = len(_shards(expected.directory))
    lost: list[int] = []
    problems: list[str] = []
    in_writing, runs = 0, 1
    start = time.monotonic()
    while len(lost) < kills:
        before, noted = len(_shards(directory)), _lines(begun)
        process = Watched(_script(command, directory, begun), log)
        # So many more shards that the kills spread over the whole run.
        ahead = min(3.0, 2 * max(0, total - before - 1) / (kills - len(lost)))
        writing = len(lost) % 3 == 2
        if writing:
            wanted = draw.randrange(1 + int(ahead))
            _wait(
                process,
                lambda wanted=wanted, before=before: (  # type: ignore[misc]
                    (
                        len(_shards(directory)) >= before + wanted
                        and any(directory.parent.glob(_TEMPORARY))
                    )
                    or (
                        any(directory.glob(_TEMPORARY))
                        and len(_shards(directory)) >= before + wanted
                    )
                ),
            )
            time.sleep(draw.uniform(0, 0.003))
        else:
            moment = time.monotonic() + draw.uniform(0, expected.first + ahead * expected.each)
            most = min(before + 1 + int(ahead), total - 1) if total else math.inf
            _wait(
                process,
                # Never so late that a faster turn than the undisturbed one is done before.
                lambda moment=moment, most=most, before=before: (  # type: ignore[misc]
                    time.monotonic() > moment or before < most <= len(_shards(directory))
                ),
            )
        if not process.kill():
            # It was done before: once more from the start.
            problems += _ends(directory, expected.directory)
            shutil.rmtree(directory)
            runs += 1
            continue
        in_writing += writing
        lost.append(_lines(begun) - noted - (len(_shards(directory)) - before))
        problems += _incomplete(directory, expected.directory)
    process = Watched(_script(command, directory, begun), log)
    status = process.wait()
    if status:
        problems.append(f"the last run ended with status {status}; see {log}")
    problems += _ends(directory, expected.directory)
    return {
        "kills": len(lost),
        "runs": runs,
        "in_writing": in_writing,
        "shards": total,
        "lost": lost,
        "seconds": round(time.monotonic() - start, 1),
        "problems": problems,
    }


def _incomplete(directory: Path, expected: Path) -> Iterator[str]:
    """Shards that are not those of the undisturbed run, byte by byte."""
    for path in _shards(directory):
        if path.read_bytes() != (expected / path.name).read_bytes():
            yield f"{path.name} is not complete after a kill"


def _ends(found: Path, expected: Path) -> Iterator[str]:
    """What is wrong with a finished result."""
    yield from differences(found, expected)
    for place in (found.glob(".*"), found.parent.glob(_TEMPORARY)):
        yield from (f"left behind: {path.name}" for path in place)


def differences(found: Path, expected: Path) -> Iterator[str]:
    """In what a result differs from another one of the same job, times aside."""
    names = sorted(_files(found) | _files(expected))
    for name in names:
        if not ((found / name).is_file() and (expected / name).is_file()):
            yield f"only one has {name}"
        elif name.endswith("manifest.json"):
            mine, theirs = (_timeless(read_json(place / name)) for place in (found, expected))
            mine.pop("files", None), theirs.pop("files", None)  # digests, of the card's times too
            if mine != theirs:
                yield f"{name} differs"
        elif name.endswith(".keras") or name in ("saved_model.pb", "fingerprint.pb"):
            continue  # They hold times and numbers that TensorFlow draws; weights are elsewhere.
        elif name.endswith("quality_card.md"):
            mine_text, their_text = ((place / name).read_text() for place in (found, expected))
            if mine_text.count("\n") != their_text.count("\n"):
                yield f"{name} differs"
        elif (found / name).read_bytes() != (expected / name).read_bytes():
            yield f"{name} differs"


def _files(directory: Path) -> set[str]:
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key not in _TIMES}
    return value


def kill_writers(directory: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kills processes that write JSON, arrays and directories as fast as they can."""
    draw = random.Random(seed)
    problems: list[str] = []
    halves = writes = 0
    there = False
    start = time.monotonic()
    directory.mkdir(parents=True)
    for number in range(kills):
        process = Watched(lambda number=number: _write(directory, number), directory / ".log")  # type: ignore[misc]
        moment = time.monotonic() + draw.uniform(0.005, 0.06)
        _wait(process, lambda moment=moment: time.monotonic() > moment)  # type: ignore[misc]
        if not process.kill():
            problems.append("a writer ended by itself")
        halves += any(directory.glob(_TEMPORARY))
        try:
            writes += _read(directory)
        except (OSError, ValueError, KeyError, AssertionError) as error:
            problems.append(f"after kill {number}: {error!r}")
        experiments.jobs.prepare_output_directory(directory, ["*", ".log"])
        problems += [f"left behind: {path.name}" for left in _LEFT for path in directory.glob(left)]
        there = there or (directory / "folder").exists()
        if there and not (directory / "folder").exists():
            problems.append(f"the folder is lost after kill {number}")
    return {
        "kills": kills,
        "in_writing": halves,
        "files": writes,
        "seconds": round(time.monotonic() - start, 1),
        "problems": problems,
    }


def _write(directory: Path, number: int) -> None:
    generator = np.random.default_rng(number)
    while True:
        values = generator.random(generator.integers(1, 200_000))
        few = values[:1000]
        write_json(directory / "values.json", {"sum": few.sum(), "values": few})
        with atomic_path(directory / "values.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, values=values, sum=values.sum())
        with atomic_path(directory / "folder") as temporary:
            temporary.mkdir()
            for name in ("a", "b"):
                (temporary / name).write_bytes(values.tobytes())


def _read(directory: Path) -> int:
    """Checks every file that has its final name; how many there are."""
    files = 0
    for path in directory.glob("[!.]*"):
        files += 1
        if path.suffix == ".json":
            found = json.loads(path.read_text())
            assert np.sum(found["values"]) == found["sum"], path.name
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                assert arrays["values"].sum() == arrays["sum"], path.name
        else:
            a, b = ((path / name).read_bytes() for name in ("a", "b"))
            assert a and a == b, path.name
    return files


def _row(name: str, result: dict[str, Any]) -> str:
    lost = result.get("lost")
    again = f"{sum(lost)} of {len(lost)}, at most {max(lost, default=0)} at once" if lost else "–"
    verdict = "none" if not result["problems"] else "; ".join(result["problems"][:3])
    count = f"{result['kills']} | {result.get('runs', '–')}"
    return f"| {name} | {count} | {result['in_writing']} | {again} | {verdict} |"


def _markdown(results: dict[str, Any]) -> str:
    lines = [
        "| killed | kills | results completed | in the middle of a write | shards lost | "
        "differences, files half-written or left behind |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(name, result) for name, result in results.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Kills, compares, writes; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=50, help="of the attack")
    parser.add_argument("--train_kills", type=int, default=10, help="of the training")
    parser.add_argument("--write_kills", type=int, default=200, help="of writers")
    parser.add_argument("--dataset", default="mnist", help="whose test images are attacked")
    parser.add_argument("--saved_model", default="saved_models/mnist/fc100-100-10")
    parser.add_argument("--num_examples", type=int, default=10_000, help="to attack")
    parser.add_argument("--shard_size", type=int, default=200)
    parser.add_argument("--train_dataset", default="digits", help="for the training")
    parser.add_argument("--train_model", default="fc100-100-10", help="that is trained")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--output_dir", type=Path, default=Path("results/kills"))
    flags = parser.parse_args()
    output: Path = flags.output_dir
    if output.exists():
        sys.exit(f"error: {output} exists; name a new directory.")
    commands = {
        "train.py": Command(
            "train", [f"--dataset={flags.train_dataset}", f"--model={flags.train_model}"]
        ),
        "attack.py": Command(
            "attack",
            [
                f"--dataset={flags.dataset}",
                "--split=test",
                f"--saved_model={flags.saved_model}",
                f"--num_examples={flags.num_examples}",
                f"--shard_size={flags.shard_size}",
            ],
        ),
    }
    wanted = {"train.py": flags.train_kills, "attack.py": flags.kills}
    results: dict[str, Any] = {}
    start = time.monotonic()
    if flags.write_kills:
        results["writing files"] = kill_writers(output / "writing", flags.write_kills, flags.seed)
    for name, command in commands.items():
        work = output / command.script
        work.mkdir(parents=True)
        expected = run_undisturbed(command, work / "undisturbed", work)
        # Its lines are not those of the killed runs.
        (work / "begun.txt").unlink(missing_ok=True)
        results[name] = kill_repeatedly(
            command, expected, work / "killed", work, wanted[name], flags.seed
        )
    manifest = build_manifest(
        "kills",
        flags={key: str(value) for key, value in vars(flags).items() if key != "output_dir"},
        seed=flags.seed,
        inputs={},
        seconds=time.monotonic() - start,
        commit=commit(),
        results=results,
    )
    write_json(output / "kills.json", manifest)
    text = _markdown(results)
    with atomic_path(output / "kills.md") as temporary:
        temporary.write_text(text)
    print(text)
    return int(any(result["problems"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
