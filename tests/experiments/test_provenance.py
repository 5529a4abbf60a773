"""What is said of a model that was trained again under its old name."""

import dataclasses
import logging
from typing import Any

import numpy as np
import pytest

from tfblindspots.adversarial_sets import AdversarialSet
from tfblindspots.experiments.provenance import warn_of_namesakes
from tfblindspots.models import Classifier

_OLD, _NEW = 64 * "0", 64 * "1"


def _classifier(name: str, fingerprint: str) -> Classifier:
    return Classifier(name, lambda images: images, (1, 1, 1), 2, fingerprint, False)


def _set(manifest: dict[str, Any]) -> AdversarialSet:
    return AdversarialSet("old", "test", {"label": np.zeros(1)}, manifest)


def test_a_model_that_was_trained_again_is_told(caplog: pytest.LogCaptureFixture) -> None:
    made = _set({"model": {"name": "net", "fingerprint": _OLD}})
    new, old = _classifier("net", _NEW), _classifier("renamed", _OLD)
    with caplog.at_level(logging.WARNING, logger="absl"):
        # Its own model, under whatever name; a model of another name; an early manifest.
        warn_of_namesakes(made, [_classifier("net", _OLD)])
        warn_of_namesakes(made, [new, old])
        warn_of_namesakes(made, [_classifier("other", _NEW)])
        warn_of_namesakes(_set({}), [new])
        assert not caplog.messages
        warn_of_namesakes(made, [new, dataclasses.replace(old, fingerprint=_NEW)])
    assert caplog.messages == [
        "Set old was made for another model net than this one (fingerprint 000000000000 there, "
        "111111111111 here): it was trained again since, or is used with other settings. What is "
        "measured on the set is of images made for another model."
    ]


def test_the_same_weights_exported_again_are_no_other_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = {"name": "net", "fingerprint": _OLD, "weights_fingerprint": 64 * "2"}
    again = dataclasses.replace(_classifier("net", _NEW), weights_fingerprint=64 * "2")
    with caplog.at_level(logging.INFO, logger="absl"):
        warn_of_namesakes(_set({"model": model}), [again])
    assert caplog.messages == [
        "Set old was made for the weights of model net, which were exported again since or are "
        "used with other settings."
    ]
