"""Files are complete or absent; fingerprints tell apart what differs."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tfblindspots.artifacts import (
    atomic_path,
    fingerprint_arrays,
    fingerprint_path,
    prepare_output_directory,
    read_json,
    to_json,
    write_json,
)
from tfblindspots.errors import InputError


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


class TestAtomicPath:
    def test_makes_a_file_and_its_parents(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b.txt"
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            assert not path.exists()
        assert path.read_text() == "new"
        assert _names(path.parent) == ["b.txt"]

    def test_replaces_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "b.txt"
        path.write_text("old")
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"
        assert _names(tmp_path) == ["b.txt"]

    def test_replaces_a_directory_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        path.mkdir()
        (path / "old.txt").write_text("old")
        with atomic_path(path) as temporary:
            temporary.mkdir()
            (temporary / "new.txt").write_text("new")
        assert _names(path) == ["new.txt"]
        assert _names(tmp_path) == ["results"]

    @pytest.mark.parametrize("kind", ["file", "directory"])
    def test_failure_leaves_what_was_there(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "result"
        path.write_text("old")
        with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
            if kind == "file":
                temporary.write_text("half")
            else:
                temporary.mkdir()
                (temporary / "half.txt").write_text("half")
            raise KeyboardInterrupt
        assert path.read_text() == "old"
        assert _names(tmp_path) == ["result"]

    def test_a_block_that_makes_nothing_leaves_the_old_directory(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        path.mkdir()
        (path / "old.txt").write_text("old")
        with pytest.raises(FileNotFoundError), atomic_path(path):
            assert path.is_dir()
        assert _names(path) == ["old.txt"]
        assert _names(tmp_path) == ["results"]

    def test_a_rename_that_fails_puts_the_old_directory_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "results"
        path.mkdir()
        (path / "old.txt").write_text("old")
        rename = Path.rename

        def fail_for_the_new(self: Path, target: Path) -> Path:
            if self.suffix == ".tmp":
                raise OSError("no space")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fail_for_the_new)
        with pytest.raises(OSError, match="no space"), atomic_path(path) as temporary:
            temporary.mkdir()
        assert _names(path) == ["old.txt"]
        assert _names(tmp_path) == ["results"]

    @pytest.mark.parametrize("kind", ["file", "directory"])
    def test_what_is_written_is_on_the_disk_before_its_name_and_that_last(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        """Else a power cut could leave an empty file of that name."""
        done: list[tuple[str, str]] = []
        names: dict[int, str] = {}
        fsync = os.fsync
        if kind == "directory":
            (tmp_path / "result").mkdir()

        def recorded_fsync(descriptor: int) -> None:
            inode = os.fstat(descriptor).st_ino
            done.append(("synchronise", names[inode]))
            fsync(descriptor)

        def recorded(method: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
            def rename(self: Path, target: Path) -> Path:
                done.append((f"rename {self.suffix}", Path(target).suffix))
                return method(self, target)

            return rename

        with atomic_path(tmp_path / "result") as temporary:
            if kind == "file":
                temporary.write_text("new")
                names[temporary.stat().st_ino] = "new"
            else:
                temporary.mkdir()
                (temporary / "part").write_text("new")
                names[temporary.stat().st_ino] = "new"
                names[(temporary / "part").stat().st_ino] = "part"
            names[tmp_path.stat().st_ino] = "parent"
            monkeypatch.setattr(os, "fsync", recorded_fsync)
            for method in ("rename", "replace"):
                monkeypatch.setattr(Path, method, recorded(getattr(Path, method)))
        monkeypatch.undo()
        if kind == "file":
            between = [("rename .tmp", "")]
        else:
            between = [("rename ", ".old"), ("rename .tmp", "")]
            assert done.pop(0) == ("synchronise", "part")
        assert done == [("synchronise", "new"), *between, ("synchronise", "parent")]

    def test_follows_a_symbolic_link(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        target = tmp_path / "elsewhere" / "b.txt"
        link = tmp_path / "b.txt"
        link.symlink_to(target)
        with atomic_path(link) as temporary:
            temporary.write_text("new")
        assert link.is_symlink()
        assert target.read_text() == "new"


class TestJson:
    def test_round_trip_of_numpy_values_and_paths(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        write_json(
            path,
            {
                "count": np.int64(3),
                "rate": np.float32(0.5),
                "found": np.bool_(True),
                "values": np.array([[1, 2], [3, 4]]),
                "path": Path("a/b"),
            },
        )
        assert read_json(path) == {
            "count": 3,
            "rate": 0.5,
            "found": True,
            "values": [[1, 2], [3, 4]],
            "path": "a/b",
        }

    def test_refuses_what_json_cannot_say(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(path, {"rate": float("nan")})
        with pytest.raises(TypeError, match="object has no JSON form"):
            write_json(path, {"value": object()})
        assert not _names(tmp_path)

    def test_text_is_stable(self) -> None:
        assert to_json({"a": (1, np.int32(2))}) == to_json({"a": [1, 2]})

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"a\.json does not exist; expected a JSON file"):
            read_json(tmp_path / "a.json")

    def test_directory_in_place_of_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cannot be read .*; expected a JSON file"):
            read_json(tmp_path)

    @pytest.mark.parametrize("content", [b'{"a": ', b"\xff\xfe", b""])
    def test_other_contents(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.json"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.json is not valid JSON .*; rerun the command"):
            read_json(path)


class TestPrepareOutputDirectory:
    def test_makes_it_with_its_parents(self, tmp_path: Path) -> None:
        directory = prepare_output_directory(tmp_path / "a" / "b")
        assert directory == tmp_path / "a" / "b"
        assert directory.is_dir()

    def test_accepts_an_unfinished_one_and_clears_its_temporary_files(self, tmp_path: Path) -> None:
        (tmp_path / "shard-0").write_text("kept")
        (tmp_path / ".shard-1.0123abcd.tmp").write_text("half")
        (tmp_path / ".model.0123abcd.tmp").mkdir()
        (tmp_path / ".model.0123abcd.old").mkdir()
        prepare_output_directory(tmp_path, ["shard-*"])
        assert _names(tmp_path) == ["model", "shard-0"]

    def test_refuses_other_files_and_touches_nothing(self, tmp_path: Path) -> None:
        names = [".shard-1.0123abcd.tmp", "a", "b", "c", "d"]
        for name in names:
            (tmp_path / name).write_text("")
        with pytest.raises(
            InputError,
            match=r"^output_dir .* holds other files \(a, b, c, …\); name a new or empty directory",
        ):
            prepare_output_directory(tmp_path, ["shard-*"])
        assert _names(tmp_path) == names

    def test_refuses_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_text("")
        with pytest.raises(InputError, match=r"^results .*a cannot be used \(File exists\)"):
            prepare_output_directory(path, what="results")

    def test_refuses_what_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("")
        with pytest.raises(InputError, match=r"b cannot be used \(Not a directory\); name a dir"):
            prepare_output_directory(tmp_path / "a" / "b")

    def test_refuses_what_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The superuser may write anywhere, and tests may run as the superuser.
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(InputError, match="cannot be written; name a directory that can be"):
            prepare_output_directory(tmp_path)


class TestFingerprintPath:
    def test_of_a_file_is_its_sha256(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"content")
        assert fingerprint_path(path) == hashlib.sha256(b"content").hexdigest()

    def test_of_a_directory_depends_on_names_and_contents_only(self, tmp_path: Path) -> None:
        def make(name: str, files: dict[str, bytes]) -> str:
            for relative, content in files.items():
                path = tmp_path / name / relative
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return fingerprint_path(tmp_path / name)

        first = make("1", {"a": b"x", "sub/b": b"y"})
        assert make("2", {"sub/b": b"y", "a": b"x"}) == first
        others = [
            make("3", {"a": b"x", "sub/c": b"y"}),
            make("4", {"a": b"x", "sub/b": b"z"}),
            make("5", {"a": b"y", "sub/b": b"x"}),
            make("6", {"a": b"x", "b": b"y"}),
            make("7", {"a": b"x"}),
        ]
        assert len({first, *others}) == 6

    def test_ignores_patterns(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"x")
        before = fingerprint_path(tmp_path)
        (tmp_path / "log").write_bytes(b"y")
        assert fingerprint_path(tmp_path) != before
        assert fingerprint_path(tmp_path, ignore=["log"]) == before

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="a does not exist; expected a file or a directory"):
            fingerprint_path(tmp_path / "a")


class TestFingerprintArrays:
    def test_depends_on_values_shapes_and_dtypes_not_on_the_memory_layout(self) -> None:
        array = np.arange(6, dtype=np.int32).reshape(2, 3)
        first = fingerprint_arrays(array)
        assert fingerprint_arrays(np.asfortranarray(array)) == first
        others = [
            fingerprint_arrays(array.reshape(3, 2)),
            fingerprint_arrays(array.astype(np.int64)),
            fingerprint_arrays(array.view(np.float32)),
            fingerprint_arrays(array + 1),
            fingerprint_arrays(array, array),
            fingerprint_arrays(array[:0]),
        ]
        assert len({first, *others}) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [("[" * 200_000, "is nested too deep to be read"), ("7" * 5000, "is not valid JSON")],
)
def test_json_made_to_break_readers_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=rf"a\.json {message}.*; rerun the command that makes it"):
        read_json(tmp_path / "a.json")
