"""What docs/ says to run."""

import re
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"


def test_pickled_weights_are_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "imagenet.md").read_text(), re.DOTALL)
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 3, 4)), generator.normal(size=(2, 4))
    layers = {
        "conv1": [first[0], second[0]],
        "fc8": {"biases": second[1], "weights": first[1]},
    }
    monkeypatch.chdir(tmp_path)
    np.save("bvlc_alexnet.npy", np.array(layers, object), allow_pickle=True)
    exec(code, {})
    with np.load("alexnet.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["conv1/bias", "conv1/kernel", "fc8/bias", "fc8/kernel"]
        for i, layer in enumerate(layers):
            np.testing.assert_array_equal(arrays[f"{layer}/kernel"], first[i])
            np.testing.assert_array_equal(arrays[f"{layer}/bias"], second[i])
