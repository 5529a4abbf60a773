"""Cards of attacks small enough to count by hand."""

from typing import Any

import numpy as np
import pytest

from tfblindspots.analysis import make_quality_card
from tfblindspots.artifacts import to_json
from tfblindspots.attacks.float_attack import _STATUSES

COUNT = 10
CHECKS = {
    "checked": 8,
    "probabilities": False,
    "not_finite_logits": 0,
    "differing_logits": 0,
    "not_finite_gradients": 0,
    "zero_gradients": 0,
    "flat_losses": 0,
    "saturated_probabilities": 0,
    "rounded_margins": 0,
}


def examples(count: int = COUNT, **changed: Any) -> dict[str, np.ndarray]:
    """An attack that went well; of a changed field the first values are given."""
    fields: dict[str, np.ndarray] = {
        "label": np.ones(count, np.int64),
        "original_prediction": np.ones(count, np.int64),
        "success": np.ones(count, np.int64),
        "distortion": np.full(count, 0.1, np.float32),
        "evaluations": np.full(count, 9),
        "status": np.full(count, "converged", dtype=object),
    }
    for name, values in changed.items():
        fields[name][: len(values)] = values
    return fields


def warnings(fields: dict[str, np.ndarray], **changed: int) -> dict[str, Any]:
    """The warnings by their ids."""
    card = make_quality_card(fields, CHECKS | changed)
    to_json(card)
    assert card["checks"] == CHECKS | changed
    assert len({warning["id"] for warning in card["warnings"]}) == len(card["warnings"])
    return {warning["id"]: warning for warning in card["warnings"]}


def test_no_warning_where_nothing_is_wrong() -> None:
    assert warnings(examples(original_prediction=[0, 0], distortion=[0, 0])) == {}
    # The exceptions that leave a mean as it is.
    assert warnings(examples(1000, status=["evaluation limit"] * 10), rounded_margins=4) == {}


def test_a_warning_says_how_often_what_it_does_and_what_to_do() -> None:
    found = warnings(examples(original_prediction=[0, 0], status=["evaluation limit"] * 4))
    assert found == {
        "evaluation_limit": {
            "id": "evaluation_limit",
            "count": 4,
            "of": 8,
            "share": 0.5,
            "bias": "too robust",
            "text": "4 of 8 searches reached their limit before they converged, so that nearer "
            "adversarial images may exist and the model may look more robust than it is; raise "
            "max_evaluations.",
        }
    }


@pytest.mark.parametrize(
    ("check", "id", "bias"),
    [
        ("not_finite_logits", "not_finite_logits", "too robust"),
        ("differing_logits", "not_deterministic", "either"),
        ("not_finite_gradients", "not_finite_gradients", "too robust"),
        ("zero_gradients", "zero_gradients", "too robust"),
        ("flat_losses", "flat_losses", "too robust"),
        ("saturated_probabilities", "saturated_probabilities", "too robust"),
        ("rounded_margins", "rounded_margins", "too robust"),
    ],
)
def test_every_check_has_its_warning(check: str, id: str, bias: str) -> None:
    (found,) = warnings(examples(), **{check: 6}).values()
    assert (found["id"], found["bias"]) == (id, bias)
    assert (found["count"], found["of"], found["share"]) == (6, 8, 0.75)
    assert found["text"].startswith("6 of 8 checked images ")


def test_failures_by_what_became_of_them() -> None:
    # Three not found, one of them by a search that broke; two found and lost again; the last one
    # was misclassified to begin with.
    found = warnings(
        examples(
            success=[0, 0, 0, 0, 0],
            distortion=[0, 0, 0, 0.1, 0.2],
            status=["no adversarial image found", "no adversarial image found", "not finite"],
            original_prediction=[1] * 9 + [0],
        )
    )
    assert {name: (w["count"], w["of"], w["bias"]) for name, w in found.items()} == {
        "not_found": (3, 9, "either"),
        "not_confirmed": (2, 9, "too robust"),
        "not_finite_searches": (1, 9, "too robust"),
    }


@pytest.mark.parametrize(("wrong", "count"), [(5, None), (6, 6), (10, 10)])
def test_a_model_that_errs_on_most_images(wrong: int, count: int | None) -> None:
    found = warnings(
        examples(original_prediction=[0] * wrong, distortion=[0] * wrong),
        checked=COUNT - wrong,
    )
    assert {name: w["count"] for name, w in found.items()} == (
        {"misclassified": count} if count else {}
    )


def test_the_statuses_are_those_of_the_attack() -> None:
    assert {"evaluation limit", "not finite"} <= set(_STATUSES.values())


def test_what_is_lost_in_8_bits() -> None:
    fields = examples(success=[0, 0]) | {"success_uint8": np.repeat([0, 1], [5, COUNT - 5])}
    found = warnings(fields)["lost_in_8_bits"]
    # Of the five lost, two were none as floats.
    assert (found["count"], found["of"], found["bias"]) == (3, 8, "too robust")
    assert found["text"].startswith("3 of 8 adversarial images have none of 8 bits beside them")


def test_images_that_get_nan_are_no_failures_of_a_search() -> None:
    fields = examples(success=[0, 0, 0], status=["not finite"] * 3, evaluations=[0, 0, 7])
    fields["distortion"][:3] = 0
    fields["original_prediction"][0] = 0  # as the rule has it, and no misclassification
    found = {name: (w["count"], w["of"]) for name, w in warnings(fields).items()}
    assert found == {
        "not_finite_images": (2, COUNT),
        "not_finite_searches": (1, COUNT - 2),
        "not_found": (1, COUNT - 2),
    }
