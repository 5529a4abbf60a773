import math

import pytest

from tfblindspots.reports import formatting

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.0205, "2.05 %"),
        (0.117, "11.7 %"),
        (0.09996, "10.0 %"),
        (0.9951, "99.51 %"),
        (0.00002, "< 0.01 %"),
        (0.99998, "> 99.99 %"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_percentages_have_the_digits_they_carry(rate: float | None, text: str) -> None:
    assert formatting.percent(rate) == text.replace(" %", f"{SPACE}%")


@pytest.mark.parametrize("errors", [1, 2, 59998, 59999])
def test_only_exact_zero_and_one_round_to_them(errors: int) -> None:
    assert formatting.percent(errors / 60000) not in (f"0{SPACE}%", f"100{SPACE}%", "100.0 %")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.018, 0.0231, "[1.8, 2.3]"),
        (0.0195, 0.0216, "[1.95, 2.16]"),
        (0.1153, 0.1184, "[11.5, 11.8]"),
        (0.25, 0.75, "[25, 75]"),
        (0, 0.0026, "[0, 0.26]"),
        (0.99994, 1, "[99.99, 100]"),
    ],
)
def test_intervals_have_decimals_for_their_width(low: float, high: float, text: str) -> None:
    assert formatting.interval(low, high) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.06199, "0.0620"), (0.1, "0.100"), (0.0486, "0.0486"), (0, "0"), (None, "–")],
)
def test_distortions_have_three_significant_digits(value: float | None, text: str) -> None:
    assert formatting.distortion(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(60000, "60,000"), (61.25, "61.2"), (719.4, "719"), (0, "0"), (None, "–")],
)
def test_counts(value: float | None, text: str) -> None:
    assert formatting.count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.31, "8.31 s"), (157.2, "2 min 37 s"), (3840, "1 h 04 min"), (59.99, "1 min 00 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(1e-4, "1e-4"), (0.01, "1e-2"), (1.0, "1"), (0, "0")])
def test_weight_decays_are_written_as_in_the_paper(value: float, text: str) -> None:
    assert formatting.weight_decay(value) == text


def test_targets_are_named_as_in_a_sentence() -> None:
    names = [formatting.target(name) for name in ("random", "untargeted", "most_likely")]
    assert names == ["random target", "untargeted", "most likely target"]


def test_binary_metrics_in_words() -> None:
    share = {"hits": 8, "count": 10, "rate": 0.8, "low": 0.44, "high": 0.97}
    metrics = {
        "balanced_accuracy": 0.75,
        "balanced_accuracy_low": 0.7,
        "balanced_accuracy_high": 0.8,
        "recall": share,
        "specificity": share,
        "precision": None,
    }
    lines = formatting.binary_lines("test", metrics)
    assert [line.replace(SPACE, " ") for line in lines] == [
        "test balanced accuracy 75.0 % [70.0, 80.0]",
        "test recall 80.0 % [44, 97], 8 of 10 positive images",
        "test specificity 80.0 % [44, 97], 8 of 10 other images",
        "test precision –: no image was called positive",
    ]
    (*_, line) = formatting.binary_lines("test", metrics | {"precision": share})
    assert line.endswith("[44, 97], 8 of 10 images called positive")
