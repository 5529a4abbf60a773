from collections.abc import Iterator

import pytest
from absl import flags
from absl.testing import flagsaver

from tfblindspots import cli
from tfblindspots.errors import InputError
from tfblindspots.models import ModelInterface


def define_all() -> None:
    cli.define_dataset_flags(split="train")
    cli.define_output_flag("anything")
    cli.define_seed_flag()
    cli.define_attack_size_flags()
    cli.define_sets_flag()


def test_two_scripts_may_define_the_same_flags() -> None:
    define_all()
    define_all()
    with flagsaver.as_parsed(dataset="digits", seed="3", split="test"):
        assert flags.FLAGS.dataset == "digits"
        assert flags.FLAGS.seed == 3
        assert flags.FLAGS.split == "test"


@pytest.mark.parametrize(
    ("text", "value"), [("16", 16), (None, None), ("auto", "auto"), ("-1", "-1"), ("x", "x")]
)
def test_batch_sizes(text: str | None, value: int | str | None) -> None:
    assert cli.batch_size(text) == value


@pytest.fixture(scope="module", autouse=True)
def stddevs_flag() -> Iterator[None]:
    flags.DEFINE_list("stddevs_of_the_test", [], "a list")
    yield
    delattr(flags.FLAGS, "stddevs_of_the_test")


def test_a_list_of_numbers() -> None:
    with flagsaver.as_parsed(stddevs_of_the_test="0.1, 3,0"):
        assert cli.numbers("stddevs_of_the_test") == [0.1, 3.0, 0.0]
    with flagsaver.as_parsed(stddevs_of_the_test=""):
        assert cli.numbers("stddevs_of_the_test") == []


@pytest.mark.parametrize("text", ["a", "-1", "nan", "inf"])
def test_what_is_not_a_number_is_rejected(text: str) -> None:
    with (
        flagsaver.as_parsed(stddevs_of_the_test=f"0.1,{text}"),
        pytest.raises(
            InputError,
            match=rf"--stddevs_of_the_test holds '{text}'; expected numbers of at least 0, such as",
        ),
    ):
        cli.numbers("stddevs_of_the_test")


def test_what_flags_say_of_a_model() -> None:
    cli.define_model_flag()
    flags.FLAGS.mark_as_parsed()
    with flagsaver.as_parsed():
        assert cli.interface_from_flags() == ModelInterface()
    given = {
        "pixel_range": "-1,1",
        "mean": "-0.1,0,0.1",
        "std": "0.5",
        "channel_order": "bgr",
        "data_format": "channels_first",
        "image_size": "240,320",
        "signature": "serve",
        "input": "images",
        "output": "scores",
        "output_kind": "logits",
    }
    with flagsaver.as_parsed(**given):
        assert cli.interface_from_flags() == ModelInterface(
            signature="serve",
            input="images",
            output="scores",
            output_kind="logits",
            image_size=(240, 320),
            pixel_range=(-1.0, 1.0),
            mean=(-0.1, 0.0, 0.1),
            std=(0.5,),
            channel_order="bgr",
            data_format="channels_first",
        )


def test_image_sizes() -> None:
    define_all()
    flags.FLAGS.mark_as_parsed()
    given = {"dataset": "digits", "image_size": "6", "short_side": "7"}
    with flagsaver.as_parsed(**given):
        assert cli.load_dataset_from_flags("test[:2]").images.shape == (2, 6, 6, 1)
    for text in ("0", "6,6,6", "6x6", "-3"):
        with (
            flagsaver.as_parsed(dataset="digits", image_size=text),
            pytest.raises(InputError, match=f"^--image_size is {text}; expected one number of pix"),
        ):
            cli.load_dataset_from_flags("test")
