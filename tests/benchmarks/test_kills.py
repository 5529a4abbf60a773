"""The benchmark that kills jobs, in short, and that it would notice what it is there to notice."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.kills import differences

REPOSITORY = Path(__file__).parents[2]


def test_nothing_is_lost_by_kills(tmp_path: Path) -> None:
    given = {
        "kills": 2,
        "train_kills": 1,
        "write_kills": 20,
        "dataset": "digits",
        "saved_model": "saved_models/digits/fc10-1e-2",
        "num_examples": 60,
        "shard_size": 10,
        "train_model": "fc10-1e-2",
        "output_dir": tmp_path / "kills",
    }
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", *(f"--{n}={v}" for n, v in given.items())],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    results = json.loads((tmp_path / "kills" / "kills.json").read_text())["results"]
    assert {name: found["kills"] for name, found in results.items()} == {
        "writing files": 20,
        "train.py": 1,
        "attack.py": 2,
    }
    assert not any(found["problems"] for found in results.values())
    assert max(results["attack.py"]["lost"]) <= 1
    assert results["writing files"]["in_writing"] > 0
    table = (tmp_path / "kills" / "kills.md").read_text()
    assert table in result.stdout
    assert "| writing files | 20 |" in table


def test_differences_are_found(tmp_path: Path) -> None:
    expected, found = tmp_path / "expected", tmp_path / "found"
    expected.mkdir()
    (expected / "shard").write_bytes(b"records")
    manifest = {"seed": 1, "created": "today", "summary": {"seconds": 3, "count": 2}}
    (expected / "manifest.json").write_text(json.dumps(manifest))
    shutil.copytree(expected, found)
    # When, and how fast, tells two runs apart and nothing else.
    manifest |= {"created": "later", "summary": {"seconds": 4, "count": 2}}
    (found / "manifest.json").write_text(json.dumps(manifest))
    assert not list(differences(found, expected))
    (found / "shard").write_bytes(b"record")
    assert list(differences(found, expected)) == ["shard differs"]
    manifest["summary"] = {"seconds": 3, "count": 1}
    (found / "manifest.json").write_text(json.dumps(manifest))
    (found / "shard").unlink()
    assert list(differences(found, expected)) == ["manifest.json differs", "only one has shard"]
