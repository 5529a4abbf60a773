"""scripts/index_models.py as its users call it."""

import shutil
from pathlib import Path

from tests.scripts.conftest import RunScript
from tfblindspots.artifacts import read_json, write_json


def test_a_folder_gets_its_index(tmp_path: Path, workplace: Path, run_script: RunScript) -> None:
    model = tmp_path / "zoo" / "digits" / "linear"
    shutil.copytree(workplace / "model", model)
    # A dataset that is not there: the model is listed all the same.
    manifest = read_json(model / "assets.extra" / "manifest.json")
    write_json(model / "assets.extra" / "manifest.json", {**manifest, "dataset": "/gone"})
    outcome = run_script("index_models", saved_models=tmp_path / "zoo")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"1 models: {tmp_path}/zoo/README.md\n"
    assert "| linear | " in (tmp_path / "zoo" / "README.md").read_text(encoding="utf-8")


def test_mistakes(tmp_path: Path, run_script: RunScript) -> None:
    outcome = run_script("index_models", saved_models=tmp_path)
    assert outcome.status == 1
    assert outcome.err == (
        f"error: {tmp_path} holds no SavedModel of this package; expected some, each in its own "
        "folder, as scripts/train.py writes them.\n"
    )
    outcome = run_script("index_models", saved_models="a,b")
    assert outcome.status == 1
    assert outcome.err.startswith("error: --saved_models names 2 folders; expected one")
