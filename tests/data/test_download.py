"""Data that is not there: fetched quietly, or refused at once and without leftovers."""

import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfblindspots.data import load_dataset
from tfblindspots.data.download import prepare
from tfblindspots.errors import InputError

with tfds.core.registered.skip_registration():

    class Tiny(tfds.core.GeneratorBasedBuilder):
        """Two images, written after ``action`` was called with the download manager."""

        VERSION = tfds.core.Version("1.0.0")

        def __init__(self, action: Any, **kwargs: Any) -> None:
            self._action = action
            super().__init__(**kwargs)

        def _info(self) -> tfds.core.DatasetInfo:
            features = {
                "image": tfds.features.Image(shape=(2, 2, 1)),
                "label": tfds.features.ClassLabel(num_classes=2),
            }
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            self._action(dl_manager)
            image = np.zeros((2, 2, 1), np.uint8)
            return {"test": enumerate([{"image": image, "label": label} for label in (0, 1)])}

        def _generate_examples(self) -> None:
            raise NotImplementedError


def test_prepares_quietly_and_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []
    for _ in range(2):
        prepare(Tiny(calls.append, data_dir=tmp_path))
    assert len(calls) == 1
    assert len(load_dataset(str(tmp_path / "tiny" / "1.0.0"), "test").images) == 2
    output = capfd.readouterr()
    assert "tiny" not in output.out + output.err
    assert "Variant folder" not in caplog.text


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(dl_manager: Any) -> None:
        partial = Path(dl_manager.download_dir) / "tiny" / "archive.gz.tmp.1234"
        partial.mkdir(parents=True)
        (partial / "archive.gz").write_bytes(b"half")
        raise ConnectionError("the host hung up\nin the middle")

    data_dir = tmp_path / "data"
    message = r"^dataset tiny is not in .*/data and cannot be downloaded \(the host hung up\); name"
    with pytest.raises(InputError, match=message):
        prepare(Tiny(fail, data_dir=data_dir))
    assert not data_dir.exists()


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    other = tmp_path / "downloads" / "tiny" / "other.gz.tmp.1"
    other.mkdir(parents=True)

    def fail(dl_manager: Any) -> None:
        raise ConnectionError("no")

    with pytest.raises(InputError):
        prepare(Tiny(fail, data_dir=tmp_path))
    assert other.is_dir()


def test_no_network_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unreachable(request: urllib.request.Request, timeout: float) -> None:
        asked.append(request.host)
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    start = time.monotonic()
    message = (
        r"^dataset fashion_mnist is not in .* and cannot be downloaded \(.*Name or service not "
        r"known.*\); name the directory that holds it with --data_dir, or use --dataset=digits, "
        r"which needs no network\.$"
    )
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("fashion_mnist", "test", str(tmp_path))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 10
    assert 1 <= len(asked) <= 3
    assert not any(tmp_path.iterdir())


def test_a_host_that_answers_anything_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: urllib.request.Request, timeout: float) -> None:
        raise urllib.error.HTTPError(request.full_url, 405, "Method not allowed", None, None)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(Tiny, "url_infos", {"https://example.org/archive.gz": None})
    prepare(Tiny(lambda _: None, data_dir=tmp_path))
    assert (tmp_path / "tiny" / "1.0.0" / "dataset_info.json").is_file()
