import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tfblindspots
from tfblindspots import cli
from tfblindspots.errors import InputError

REPOSITORY = Path(__file__).parents[2]
PACKAGE = Path(tfblindspots.__file__).parent
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def run_script(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(path), *arguments]
    # Benchmarks set it for their process, which may be this one.
    environment = {name: value for name, value in os.environ.items() if name != _LOG_LEVEL}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script with one required flag; it never gets to import TensorFlow."""
    path = tmp_path / "script.py"
    path.write_text(
        '"""Greets.\n\nExample:\n\n  python script.py --name=you\n"""\n'
        "from absl import flags\n"
        "from tfblindspots import cli\n"
        "cli.define_seed_flag()\n"
        "flags.DEFINE_string('name', None, 'whom to greet')\n"
        "def main():\n"
        "    raise AssertionError('the flags were wrong')\n"
        "if __name__ == '__main__':\n"
        "    cli.run(main, required=['name'])\n"
    )
    return path


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def test_a_success_has_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.guard(lambda: None) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("the model is missing; name one."), "the model is missing; name one."),
        (InputError("two\n  lines"), "two lines"),
        (
            OSError(28, "No space left on device", "a/b"),
            "[Errno 28] No space left on device: 'a/b'",
        ),
    ],
)
def test_a_mistake_of_the_user_is_one_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.guard(raising(error)) == 1
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        cli.guard(raising(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("number", "status", "ended"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
def test_an_interruption_says_how_to_resume(
    number: signal.Signals,
    status: int,
    ended: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/attack.py", "--output_dir=my results"])
    assert cli.guard(lambda: os.kill(os.getpid(), number)) == status
    assert capsys.readouterr().err == (
        f"\n{ended}: nothing is half-written; to resume, run the same command again: "
        "python scripts/attack.py '--output_dir=my results'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--name must be given; see --help for an example."),
        (["--name="], "--name must be given; see --help for an example."),
        (
            ["--name=you", "stray", "two words"],
            "unexpected argument stray 'two words'; every setting is a flag, --name=value. "
            "See --help.",
        ),
        (["--nam=you"], "Unknown command line flag 'nam'. Did you mean: name? See --help."),
        (
            ["--name=you", "--seed=-1"],
            "flag --seed=-1: -1 is not a non-negative integer. See --help.",
        ),
        (
            ["--flagfile=absent"],
            "Unable to open flagfile: [Errno 2] No such file or directory: 'absent'. See --help.",
        ),
    ],
)
def test_a_wrong_flag_is_one_line(script: Path, arguments: list[str], message: str) -> None:
    result = run_script(script, *arguments)
    assert result.stderr == f"error: {message}\n"
    assert result.returncode == 1
    assert result.stdout == ""


def test_help_explains_itself_and_succeeds(script: Path) -> None:
    result = run_script(script, "--help")
    assert result.returncode == 0
    assert "python script.py --name=you" in result.stdout
    assert "--name: whom to greet" in result.stdout
    # Shared flags are listed as the script's own.
    assert "--seed: seed of all random numbers" in result.stdout
    assert "tfblindspots.cli" not in result.stdout


def test_tensorflow_starts_in_silence_as_flags_say_and_only_our_information_is_shown(
    tmp_path: Path,
) -> None:
    path = tmp_path / "script.py"
    ours = PACKAGE / "data" / "anything.py"
    path.write_text(
        "from absl import logging\n"
        "from tfblindspots import cli, runtime\n"
        "runtime.prepare_gpus = lambda: print('memory grows')\n"
        "cli.define_seed_flag()\n"
        "cli.define_deterministic_flag()\n"
        "def main():\n"
        "    import tensorflow as tf\n"
        "    tf.constant(1)\n"
        "    print(runtime.is_deterministic())\n"
        f"    exec(compile('logging.info(\"ours\")', {str(ours)!r}, 'exec'), globals())\n"
        "    logging.info('theirs')\n"
        "    logging.warning('careful')\n"
        "    print('done')\n"
        "if __name__ == '__main__':\n"
        "    cli.run(main)\n"
    )
    result = run_script(path, "--deterministic")
    assert result.stdout == "memory grows\nTrue\ndone\n"
    assert result.stderr == "ours\ncareful\n"
    assert result.returncode == 0
