"""Archives that would leave their folder or fill the memory."""

import stat
import zipfile
from pathlib import Path

import pytest

from tfblindspots.artifacts import archives, check_archive, leaves_folder
from tfblindspots.errors import InputError


def _archive(path: Path, *names: str) -> zipfile.ZipFile:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return zipfile.ZipFile(path)


@pytest.mark.parametrize("name", ["a", "a/b.txt", "a..b/..c", ".hidden", "./a"])
def test_names_inside(name: str, tmp_path: Path) -> None:
    assert not leaves_folder(name)
    with _archive(tmp_path / "a.zip", name) as archive:
        check_archive(archive, tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "C:/a", "..\\a", "\\\\h\\a"])
def test_names_that_lead_out(name: str, tmp_path: Path) -> None:
    assert leaves_folder(name)
    message = r"a\.zip has a member .*, which leads out of the folder .*; expected names inside it"
    with _archive(tmp_path / "a.zip", name) as archive, pytest.raises(InputError, match=message):
        check_archive(archive, tmp_path / "a.zip")


def test_links(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc")
        with pytest.raises(InputError, match=r"a\.zip has a member 'link', which is a link; exp"):
            check_archive(archive, tmp_path / "a.zip")


def test_more_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(4_000_000))
    monkeypatch.setattr(archives, "machine_memory", lambda: 3_000_000)
    message = r"a\.zip holds 0 GB, more than this machine's memory, 0 GB, in a file of 0\.0 MB"
    with (
        zipfile.ZipFile(tmp_path / "a.zip") as archive,
        pytest.raises(InputError, match=message),
    ):
        check_archive(archive, tmp_path / "a.zip")
