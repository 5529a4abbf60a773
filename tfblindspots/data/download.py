"""Lets TensorFlow Datasets download and prepare a dataset, quietly and without leftovers."""

import contextlib
import io
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from absl import logging

from tfblindspots.errors import InputError, first_line

_CONNECT_SECONDS = 10
_MAX_HOSTS = 3


def prepare(builder: tfds.core.DatasetBuilder) -> None:
    """Makes sure that the data is on disk, downloading it when it is not.

    Raises:
      InputError: it is not there and cannot be downloaded or prepared.
    """
    with quietly():
        if builder.is_prepared():
            return
    data_dir = Path(builder.data_dir_root)
    downloads = data_dir / "downloads" / builder.name
    try:
        # TFDS retries for minutes before it gives up; whether there is a network shows at once.
        if not any(downloads.glob("*.INFO")):
            _check_reachable(builder.url_infos or {})
        logging.info("Downloading %s to %s.", builder.name, data_dir)
        with _without_leftovers(data_dir, builder.name, downloads), quietly():
            builder.download_and_prepare()
    # Preparing runs the code of any of a thousand datasets: there is no list of what it may raise.
    except Exception as error:
        raise InputError(
            f"dataset {builder.name} is not in {data_dir} and cannot be downloaded "
            f"({first_line(error)}); name the directory that holds it with --data_dir, or use "
            "--dataset=digits, which needs no network."
        ) from None


def _check_reachable(urls: dict[str, object]) -> None:
    """Raises OSError when none of the first few hosts of ``urls`` answers within seconds."""
    hosts = {urllib.parse.urlsplit(url).netloc: url for url in urls if url.startswith("http")}
    failure: OSError | None = None
    for url in list(hosts.values())[:_MAX_HOSTS]:
        request = urllib.request.Request(url, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=_CONNECT_SECONDS).close()
            return
        except urllib.error.HTTPError:
            return  # Some hosts refuse HEAD: they are there.
        except OSError as error:
            failure = error
    if failure is not None:
        raise failure


@contextlib.contextmanager
def _without_leftovers(data_dir: Path, name: str, downloads: Path) -> Iterator[None]:
    """Removes what a failed download left: partial files, and directories that stayed empty."""
    before = set(downloads.glob("*"))
    try:
        yield
    except BaseException:
        for path in set(downloads.glob("*.tmp.*")) - before:
            shutil.rmtree(path, ignore_errors=True)
        extracted = data_dir / "downloads" / "extracted"
        for directory in (downloads, extracted, data_dir / "downloads", data_dir / name, data_dir):
            with contextlib.suppress(OSError):
                directory.rmdir()
        raise


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silences what TFDS prints and warns of; its progress bars stay on a terminal."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        verbosity = logging.get_verbosity()
        stack.callback(logging.set_verbosity, verbosity)
        logging.set_verbosity(min(verbosity, logging.ERROR))
        if not sys.stderr.isatty():
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield
