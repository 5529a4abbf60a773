"""A split with two classes of the many, or with one class's images alone."""

import pickle
from functools import partial

import numpy as np

from tfblindspots.data import load_dataset, load_selected


def test_it_selects_what_is_asked_for() -> None:
    everything = load_dataset("digits", "test[:60]")
    selected = load_selected("digits", "test[:60]")
    assert selected.fingerprint == everything.fingerprint

    two = load_selected("digits", "test[:60]", positive="3")
    np.testing.assert_array_equal(two.labels, everything.labels == 3)
    assert two.class_names == ("rest", "3")

    # Of the two classes, where there are two.
    threes = load_selected("digits", "test[:60]", positive="3", only="3")
    np.testing.assert_array_equal(threes.indices, everything.indices[everything.labels == 3])
    assert set(threes.labels) == {1}


def test_other_processes_can_be_told_what_to_select() -> None:
    told = pickle.loads(pickle.dumps(partial(load_selected, "digits", "test[:60]", only="3")))
    assert told().fingerprint == load_selected("digits", "test[:60]", only="3").fingerprint
