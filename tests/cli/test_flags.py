from collections.abc import Iterator

import pytest
from absl import flags
from absl.testing import flagsaver

from tfblindspots import cli
from tfblindspots.errors import InputError


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
