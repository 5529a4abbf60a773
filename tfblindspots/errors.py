"""The errors that users are meant to read, and what they may quote of others."""

import textwrap


class InputError(ValueError):
    """Input that cannot be used: a flag, path, shape, range, file or model.

    The message is one line: what is wrong, what was expected, what to do. Scripts print it without
    a traceback and exit with status 1; library users catch it as a ``ValueError``.
    """


class OutputError(OSError):
    """A file that the system does not let be written: its disk is full, say, or read-only.

    The message is one line: which file, why, what is left, what to do.
    """


def first_line(error: Exception) -> str:
    """What ``error`` says, short enough to be part of a one-line message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 200, placeholder="…").rstrip(" .:")
