"""Models that hold code, given to a script."""

from pathlib import Path

import keras

from tests.scripts.conftest import RunScript


def test_code_runs_only_where_it_is_allowed(tmp_path: Path, run_script: RunScript) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.keras"
    images = keras.Input((8, 8, 1))
    values = keras.layers.Lambda(
        lambda x, name: (open(name, "w").close(), x)[1],  # noqa: PTH123, marshalled without imports
        arguments={"name": str(marker)},
    )(images)
    model = keras.Model(images, keras.layers.Dense(10)(keras.layers.Flatten()(values)))
    model.save(path)
    marker.unlink()
    given = {"saved_models": path, "dataset": "digits", "split": "test[:5]"}
    outcome = run_script("evaluate", **given, output_dir=tmp_path / "out")
    assert outcome.status == 1
    assert outcome.err == (
        f"error: model {path} has a Lambda layer, which is Python code inside the file; it could "
        "do anything on this machine and is not loaded. If you trust who made it, give "
        "--allow_unsafe (in Python allow_unsafe=True).\n"
    )
    assert not marker.exists() and not (tmp_path / "out").exists()
    outcome = run_script("evaluate", **given, output_dir=tmp_path / "out", allow_unsafe=True)
    assert (outcome.status, marker.exists()) == (0, True)
