"""What strangers may name: datasets that are here anyway."""

from pathlib import Path

import pytest

from tfblindspots.data import is_at_hand


def test_prepared_datasets_are_at_hand(mnist_data_dir: str) -> None:
    for name in ("digits", "mnist", "mnist:3.0.1"):
        assert is_at_hand(name, mnist_data_dir)


@pytest.mark.parametrize(
    "name",
    [
        *("mnist", "emnist", "emnist/letters", "mnist:9.9.9", "huggingface:mnist", "kaggle:a/b"),
        *("no_such_dataset", "/etc", "./mnist", "../mnist", "a.npz", "~", ""),
    ],
)
def test_nothing_else_is(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a stranger's word opens no connection")

    monkeypatch.setattr("socket.socket.connect", never)
    assert not is_at_hand(name, str(tmp_path))
    assert list(tmp_path.iterdir()) == []
