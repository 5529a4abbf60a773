"""Every name of the paper's networks, and any other widths."""

import keras
import numpy as np
import pytest

from tfblindspots.errors import InputError
from tfblindspots.models import get_definition


@pytest.mark.parametrize(
    ("name", "title", "trainer", "weight_decays"),
    [
        ("fc10-1e-4", "FC10(1e-4)", "lbfgs", {"logits": 1e-4}),
        ("fc10-1e-2", "FC10(1e-2)", "lbfgs", {"logits": 1e-2}),
        ("fc10-1", "FC10(1)", "lbfgs", {"logits": 1.0}),
        (
            "fc100-100-10",
            "FC100-100-10",
            "lbfgs",
            {"hidden_1": 1e-5, "hidden_2": 1e-5, "logits": 1e-6},
        ),
        ("fc7-3", "FC7-3", "lbfgs", {"hidden_1": 1e-5, "logits": 1e-6}),
        (
            "fc5-6-7-10",
            "FC5-6-7-10",
            "lbfgs",
            {"hidden_1": 1e-5, "hidden_2": 1e-5, "hidden_3": 1e-5, "logits": 1e-6},
        ),
        ("ae400-10", "AE400-10", "autoencoder", {"logits": 1e-6}),
        ("conv", "Conv", "fit", {}),
    ],
)
def test_definitions(name: str, title: str, trainer: str, weight_decays: dict[str, float]) -> None:
    definition = get_definition(name)
    assert definition.name == name
    assert definition.title == title
    assert definition.trainer == trainer
    assert dict(definition.weight_decays) == weight_decays


# Weights and biases of each layer, counted by hand for 28x28x1 images.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("fc10-1e-4", 785 * 10),
        ("fc100-100-10", 785 * 100 + 101 * 100 + 101 * 10),
        ("fc200-200-10", 785 * 200 + 201 * 200 + 201 * 10),
        ("fc123-456-10", 785 * 123 + 124 * 456 + 457 * 10),
        ("ae400-10", 785 * 400 + 401 * 10),
        ("conv", 26 * 32 + (14 * 14 * 32 + 1) * 64 + 65 * 10),
    ],
)
def test_sizes(name: str, parameters: int) -> None:
    model = get_definition(name).build((28, 28, 1), 10, 0)
    assert model.count_params() == parameters
    assert model.name == name
    assert model.output_shape == (None, 10)
    assert model.layers[-1].name == "logits"
    assert model.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize("name", ["fc10-1", "fc64-64-10", "ae64-10", "conv"])
def test_weights_follow_from_the_seed(name: str) -> None:
    definition = get_definition(name)
    first, again, other = (
        definition.build((8, 8, 1), 10, seed).get_weights() for seed in (3, 3, 4)
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.ndim == 1 or not np.array_equal(a, c)


def test_layers_of_one_shape_start_different() -> None:
    model = get_definition("fc64-64-10").build((8, 8, 1), 10, 0)
    first, second = (model.get_layer(f"hidden_{layer}").get_weights()[0] for layer in (1, 2))
    assert first.shape == second.shape
    assert np.abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_seeds_leave_the_global_generators_alone() -> None:
    state = np.random.get_state()[1]
    get_definition("conv").build((8, 8, 1), 10, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "fc10",
        "fc10-1e-3",
        "fc0-10",
        "fc100-",
        "fc-10",
        "FC100-100-10",
        "ae400",
        "lenet",
        "fc 5-3",
    ],
)
def test_rejects_names(name: str) -> None:
    message = (
        rf"^model '{name}' is unknown; expected fc10-1e-4, fc10-1e-2, fc10-1, fcA-B-\.\.\.-K such "
        r"as fc100-100-10, aeN-K such as ae400-10, conv, squeezenet, alexnet, alexnet-caffe, a "
        r"network of keras\.applications such as MobileNetV2\.$"
    )
    with pytest.raises(InputError, match=message):
        get_definition(name)


@pytest.mark.parametrize(("name", "classes"), [("fc10-1", 10), ("fc8-7-5", 5), ("ae9-6", 6)])
def test_rejects_data_with_other_classes(name: str, classes: int) -> None:
    message = (
        f"^model {name} has {classes} classes but the data has 4; the last number of the name must"
    )
    with pytest.raises(InputError, match=message):
        get_definition(name).build((8, 8, 1), 4, 0)
