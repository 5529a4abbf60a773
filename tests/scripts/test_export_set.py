"""scripts/export_set.py, and --export=npz of scripts/attack.py."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.adversarial_sets.tampering import EXAMPLE_SET, REPOSITORY, SCHEMA_1, copy_of
from tests.scripts.conftest import Outcome, RunScript
from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.artifacts import MANIFEST, read_json

# With the lines that a backslash continues.
DOCS = (REPOSITORY / "docs" / "adversarial_sets.md").read_text().replace("\\\n", "")


@pytest.mark.parametrize("directory", [EXAMPLE_SET, SCHEMA_1])
def test_numpy_reads_what_the_set_holds(
    run_script: RunScript, tmp_path: Path, directory: Path
) -> None:
    a_set = copy_of(directory, tmp_path / "set")
    outcome = run_script("export_set", adversarial_set=a_set, export="npz")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"arrays: {a_set / 'examples.npz'}\n"
    expected = read_adversarial_set(a_set).examples
    with np.load(a_set / "examples.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == sorted([*expected, "class_names", "manifest"])
        for name, values in expected.items():
            np.testing.assert_array_equal(arrays[name], values)
            assert arrays[name].dtype == values.dtype or arrays[name].dtype.kind == "U"
        assert arrays["class_names"].tolist() == [str(digit) for digit in range(10)]
        assert json.loads(str(arrays["manifest"])) == read_json(a_set / MANIFEST)


def test_it_goes_where_it_is_sent(run_script: RunScript, in_directory: Path) -> None:
    before = sorted(EXAMPLE_SET.iterdir())
    outcome = run_script(
        "export_set", adversarial_set=EXAMPLE_SET, export="npz", output_file="there/mine.npz"
    )
    assert outcome.out == "arrays: there/mine.npz\n"
    assert sorted(EXAMPLE_SET.iterdir()) == before
    assert [path.name for path in Path("there").iterdir()] == ["mine.npz"]


@pytest.mark.parametrize(
    ("directory", "file", "message"),
    [
        (EXAMPLE_SET, "mine.zip", "file mine.zip would be a .npz file; give it a name that says"),
        ("absent", "mine.npz", "absent does not exist; expected a finished adversarial_set direc"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript, in_directory: Path, directory: object, file: str, message: str
) -> None:
    outcome = run_script("export_set", adversarial_set=directory, export="npz", output_file=file)
    assert outcome.status == 1
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.err.count("\n") == 1
    assert list(in_directory.iterdir()) == []


def test_only_an_export_is_replaced(run_script: RunScript, in_directory: Path) -> None:
    def export(name: str) -> Outcome:
        return run_script(
            "export_set", adversarial_set=EXAMPLE_SET, export="npz", output_file=in_directory / name
        )

    np.savez("mine.npz", x=np.arange(3))
    np.savez("other.npz", manifest=np.array('{"kind": "saved_model"}'))
    Path("text.npz").write_text("text")
    with Path("array.npz").open("wb") as file:
        np.save(file, np.arange(3))
    for path in list(in_directory.iterdir()):
        before = path.read_bytes()
        outcome = export(path.name)
        assert outcome.status == 1
        assert outcome.err == (
            f"error: file {path} is there and is no export of an adversarial set, so it is not "
            "replaced; name a new file.\n"
        )
        assert path.read_bytes() == before
    assert export("new.npz").status == 0
    shutil.copy("new.npz", "text.npz")
    assert export("text.npz").status == 0


def test_the_command_that_made_the_shipped_set_finds_it_finished_and_exports_it(
    run_script: RunScript, tmp_path: Path
) -> None:
    (command,) = re.findall(r"^python scripts/attack\.py (.*?docs/examples.*?)$", DOCS, re.M)
    flags = dict(word.removeprefix("--").split("=") for word in command.split())
    assert REPOSITORY / flags["output_dir"] == EXAMPLE_SET
    flags["saved_model"] = str(REPOSITORY / flags["saved_model"])
    flags["output_dir"] = str(copy_of(EXAMPLE_SET, tmp_path / "set"))
    outcome = run_script("attack", **flags, export="npz")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == f"arrays: {tmp_path / 'set' / 'examples.npz'}"
    # The set is still one.
    verified = run_script(
        "verify_set", adversarial_set=tmp_path / "set", saved_model="none", dataset="none"
    )
    assert (verified.status, verified.err) == (0, "")
    assert "holds  examples.npz: holds what the shards hold" in verified.out
