"""The one error that users are meant to read."""


class InputError(ValueError):
    """Input that cannot be used: a flag, path, shape, range, file or model.

    The message is one line: what is wrong, what was expected, what to do. Scripts print it without
    a traceback and exit with status 1; library users catch it as a ``ValueError``.
    """
