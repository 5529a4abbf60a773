"""How every script starts and ends: flags, messages, exit status."""

import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from tfblindspots import runtime
from tfblindspots.errors import InputError
from tfblindspots.stopping import Stopped, stop_on_sigterm

_PACKAGE = str(Path(__file__).parents[1])
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# 128 + the signal's number, as shells report it.
_INTERRUPTED = 130
_STOPPED = 143


def run(main: Callable[[], None], *, required: Sequence[str] = ()) -> None:
    """Runs a script: parses the flags, calls ``main`` and exits.

    Every mistake of the user ends in one line on stderr and status 1, Ctrl-C in one line that says
    how to resume and status 130, SIGTERM likewise and status 143; other exceptions are defects and
    keep their traceback.
    TensorFlow is imported only once the flags are right, so ``--help`` answers at once.

    Args:
      main: the script; reads its flags, prints its results.
      required: names of the flags that must be given. They are checked here rather than marked
        with absl, so that tests can import a script without giving them.
    """

    def start(arguments: list[str]) -> int:
        return guard(lambda: _checked_main(main, required, arguments))

    app.run(start, flags_parser=_parse_flags)


def guard(main: Callable[[], None]) -> int:
    """Calls ``main`` and turns what it raises into one line on stderr and an exit status."""
    try:
        with stop_on_sigterm():
            main()
    except (InputError, OSError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        _say_how_to_resume("interrupted")
        return _INTERRUPTED
    except Stopped:
        _say_how_to_resume("stopped by SIGTERM")
        return _STOPPED
    return 0


def on_terminal() -> bool:
    """Whether a person watches: progress bars are for them, not for log files."""
    return sys.stderr.isatty()


def _checked_main(main: Callable[[], None], required: Sequence[str], arguments: list[str]) -> None:
    if len(arguments) > 1:
        raise InputError(
            f"unexpected argument {shlex.join(arguments[1:])}; every setting is a flag, "
            "--name=value. See --help."
        )
    missing = [f"--{name}" for name in required if flags.FLAGS[name].value in (None, "", [])]
    if missing:
        raise InputError(f"{', '.join(missing)} must be given; see --help for an example.")
    _show_own_messages()
    _import_tensorflow()
    runtime.prepare_gpus()
    if "deterministic" in flags.FLAGS and flags.FLAGS.deterministic:
        runtime.make_deterministic(flags.FLAGS.seed)
    main()


def _parse_flags(arguments: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        message = str(error).removeprefix("ERROR:: ").replace(" ?", "?")
        end = "" if message.endswith(("?", ".")) else "."
        sys.exit(_fail(f"{message}{end} See --help."))
    except SystemExit:
        # absl ends --help with status 1, although what was asked for was given.
        sys.exit(0)


def _say_how_to_resume(ended: str) -> None:
    command = shlex.join(["python", *sys.argv])
    sys.stderr.write(
        f"\n{ended}: nothing is half-written; to resume, run the same command again: {command}\n"
    )


def _fail(message: str) -> int:
    # A file's name may hold what moves the cursor or renames the terminal.
    shown = "".join(char if char.isprintable() else " " for char in message)
    sys.stderr.write(f"error: {' '.join(shown.split())}\n")
    return 1


def _show_own_messages() -> None:
    """Shows this package's information as plain lines, and of other packages only warnings."""
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(
        lambda record: record.levelno >= logging.WARNING or record.pathname.startswith(_PACKAGE)
    )


def _import_tensorflow() -> None:
    """Imports TensorFlow without what its C++ parts say about this machine's devices.

    TensorFlow 2.21 writes that before it reads ``TF_CPP_MIN_LOG_LEVEL``, and reports a machine
    without a GPU as an error. Who sets that variable sees everything.
    """
    if _LOG_LEVEL in os.environ:
        return
    os.environ[_LOG_LEVEL] = "2"
    with _silent_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Sends the process's stderr nowhere, also for code that is not Python."""
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
