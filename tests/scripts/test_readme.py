"""Every command and every piece of Python in README runs as it is written, in this order."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tests.elsewhere import run_elsewhere
from tests.scripts.conftest import CallScript
from tfblindspots.adversarial_sets import FIELDS, feature_description, read_adversarial_set

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
# The commands that only set up, or take long; CI and releases run them.
ELSEWHERE = (
    "make ",
    ".venv/bin/python scripts/reproduce.py --dataset=mnist ",
    ".venv/bin/python scripts/train_quocnet.py ",
    ".venv/bin/python scripts/attack.py --saved_model=results/quocnet/",
)

# In the Python that makes what the commands on a model of one's own attack.
OWN_MODEL = "keras.applications"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    # /path/to stands for files of the user's.
    runnable = [block for block in blocks("bash") if "/path/to/" not in block]
    lines = "".join(runnable).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if not line.startswith(ELSEWHERE)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, call_script: CallScript) -> Path:
    """A directory in which all the commands have run."""
    directory = tmp_path_factory.mktemp("readme")
    generator = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (directory / "photos" / name).mkdir(parents=True)
        for number in range(3):
            photo = generator.integers(0, 256, (70, 80, 3), np.uint8)
            PIL.Image.fromarray(photo).save(directory / "photos" / name / f"{number}.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        (own_model,) = (block for block in blocks("python") if OWN_MODEL in block)
        exec(own_model, {})
        for python, script, *flags in commands():
            assert python == "python"
            assert call_script(Path(script).stem, flags) == 0
    return directory


def test_the_commands_are_the_whole_way(place: Path) -> None:
    scripts = [Path(command[1]).name for command in commands()]
    assert scripts == [
        *("train.py", "train.py", "attack.py", "evaluate.py"),
        "attack.py",
        *("attack.py", "attack.py", "robust_accuracy.py", "inspect_units.py"),
        *("frame_bounds.py", "train.py"),
        *("train_with_pool.py", "verify_set.py"),
    ]
    table = (place / "results" / "evaluation" / "table.md").read_text()
    assert "fc100-100-10 | " in table.splitlines()[0]
    assert (place / "results" / "robust_accuracy" / "robust_accuracy.png").is_file()
    own = read_adversarial_set(place / "results" / "sets" / "network")
    assert own.manifest["model"]["settings"] == {"pixel_range": [-1, 1]}
    assert own.examples["success"].all()


def test_python_without_the_package_reads_the_set(place: Path) -> None:
    without = [block for block in blocks("python") if "tfblindspots" not in block]
    assert len(without) == 2
    found = read_adversarial_set(place / "results" / "sets" / "fc100-100-10").examples
    expected = [
        f"{found['label'][i]} -> {found['prediction'][i]} {float(found['distortion'][i])}"
        for i in range(3)
    ]
    assert run_elsewhere(without, place) == [expected, expected]


def test_the_feature_description_is_complete() -> None:
    (block,) = (block for block in blocks("python") if "FixedLenFeature" in block)
    names: dict[str, object] = {}
    exec(block.partition("files = ")[0], names)
    assert names["features"] == feature_description((8, 8, 1))
    assert list(names["features"]) == [field.name for field in FIELDS]


def test_the_python_face(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks_of_ours = [block for block in blocks("python") if "tfblindspots" in block]
    (block,) = (block for block in blocks_of_ours if OWN_MODEL not in block)
    monkeypatch.chdir(place)
    names: dict[str, Any] = {}
    exec(block, names)
    assert re.fullmatch(r"100% found, mean distortion 0\.\d{3}\n", capsys.readouterr().out)
    found = read_adversarial_set("results/sets/from_python")
    np.testing.assert_array_equal(found.examples["image"], names["examples"].image)
    assert tf.io.gfile.glob("results/sets/from_python/*.tfrecord-00000-of-00001")
