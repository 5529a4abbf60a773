"""Training on several devices gives the network of one; deterministic runs give the same bytes."""

import subprocess
import sys

import pytest

from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError
from tfblindspots.models import get_definition
from tfblindspots.training import train

# Every process of it does the same, and says at the end what it came to.
_PROCESS = """
import hashlib, pathlib, sys, tempfile
from tfblindspots import runtime
runtime.make_deterministic(seed=0)
devices = runtime.use_devices(["CPU:0", "CPU:1"])
import keras
import numpy as np
import tensorflow as tf
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import load_dataset
from tfblindspots.models import ModelDefinition, export_saved_model, get_definition, load_classifier
from tfblindspots.models import predict_logits
from tfblindspots.training import train

def build(image_shape, num_classes, seed):
    images = keras.Input(image_shape)
    initial = keras.initializers.GlorotUniform(seed=seed)
    hidden = keras.layers.Conv2D(4, 3, activation="relu", kernel_initializer=initial)(images)
    flat = keras.layers.Flatten()(hidden)
    dense = keras.layers.Dense(num_classes, kernel_initializer=initial, name="logits")
    return keras.Model(images, dense(flat), name="small")

small = ModelDefinition("small", "Small", build, {"logits": 1e-2}, "fit")
data = load_dataset("digits", "train[:301]")  # the last batch is odd
one, two = (
    train(small, data, seed=3, max_iterations=2, devices=chosen) for chosen in (None, devices)
)
for single, split in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
    np.testing.assert_allclose(split, single, atol=2e-6)
assert abs(two.loss - one.loss) < 1e-5 * one.loss, (one.loss, two.loss)
assert two.iterations == 2 and two.evaluations == 6
directory = pathlib.Path(tempfile.mkdtemp(dir=sys.argv[1])) / "model"
export_saved_model(two.model, directory, {"kind": "saved_model", "schema": 1})
logits = predict_logits(load_classifier(str(directory)), data.images[:50])
np.testing.assert_allclose(logits, two.model(data.images[:50]), atol=1e-5)
assert all(type(weight.value).__name__ == "ResourceVariable" for weight in two.model.weights)

# With dropout, whose random numbers have a seed.
conv = train(get_definition("conv"), data, seed=3, max_iterations=1)
config = AttackConfig(xla=False, batch_size=10, effort="fast")
images, labels = data.images[:10], data.labels[:10]
found = find_adversarial_examples(load_classifier(two.model), images, labels, config)
found = found._replace(status=found.status.astype(str))
arrays = [*conv.model.get_weights(), *two.model.get_weights(), *found]
print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


def test_two_devices_train_as_one_does_and_deterministic_runs_are_alike(tmp_path: object) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    first, second = (process.communicate(timeout=300)[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert len(first) == 64
    assert first == second


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        (
            "fc10-1",
            {},
            "model fc10-1 is trained by L-BFGS, on all images at once; devices split the batches "
            "of a network trained by Adam, such as conv. Leave them out.",
        ),
        (
            "conv",
            {"frame_bound_penalty": 0.1},
            "frame_bound_penalty is computed step by step on one device, and devices are given; "
            "leave one of them out.",
        ),
        (
            "conv",
            {"devices": ["CPU:0", "CPU:1", "CPU:2"]},
            "there are 3 devices for batches of 128 images; expected a number that divides 128.",
        ),
    ],
)
def test_what_several_devices_cannot_train(
    model: str, more: dict[str, object], message: str
) -> None:
    given = {"seed": 0, "devices": ["CPU:0", "CPU:1"], **more}
    with pytest.raises(InputError) as error:
        train(get_definition(model), load_dataset("digits", "train[:200]"), **given)  # type: ignore[arg-type]
    assert str(error.value) == message
