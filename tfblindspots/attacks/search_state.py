"""The state of a batch's searches between two evaluations."""

from typing import NamedTuple

import tensorflow as tf

from tfblindspots.attacks.objectives import Goal
from tfblindspots.attacks.stages import SearchSettings
from tfblindspots.solvers import projected_lbfgs as lbfgs

# What a slot is doing, or why its image's search ended.
IDLE, RUNNING, CONVERGED, LIMIT, NOT_FOUND, NOT_FINITE, MISLED = range(7)

# Bounds of weights and distances; the largest stands for none yet.
SMALLEST, LARGEST = 1e-20, 1e20


class Problem(NamedTuple):
    """B images to attack."""

    original: tf.Tensor  # x0, float32 [B, n], in the box
    goal: Goal  # what each is to be turned into
    margin: tf.Tensor  # of x0, positive, float32 [B]: the unit of the loss's sharpness
    noise: tf.Tensor  # of the start, float32 [B, n]; [B, 0] where it is not noisy
    limit: tf.Tensor  # int64 [B]: of evaluations of value and gradient


class SearchState(NamedTuple):
    """B slots of n pixels, an image each. float32 unless said.

    Whole numbers are int64: those of 32 bits TensorFlow keeps in the host's memory, on a GPU too.
    """

    problem: Problem
    status: tf.Tensor  # int64 [B]
    evaluations: tf.Tensor  # int64 [B]
    stage: tf.Tensor  # int64 [B]: of the settings' stages
    # The minimisation at the c of the moment.
    solve: lbfgs.Solve
    margin: tf.Tensor  # at the solve's point, [B]
    restart: tf.Tensor  # bool [B]: the next trial point is taken whatever its value
    solve_evaluations: tf.Tensor  # int64 [B]: spent at this c
    # The search over c.
    c: tf.Tensor  # [B]; 0 before a stage's first evaluation
    c_low: tf.Tensor  # [B]: the largest c whose minimiser was adversarial; 0: none yet
    c_high: tf.Tensor  # [B]: the smallest c whose minimiser was not; LARGEST: none yet
    misses: tf.Tensor  # int64 [B]: values of c whose minimisers were not adversarial
    radius: tf.Tensor  # [B]: of the sphere on which the boundary is being reached
    # The nearest adversarial point of all that were evaluated.
    best: tf.Tensor  # [B, n]
    best_distance: tf.Tensor  # phi(best - x0), [B]; LARGEST: none yet
    best_margin: tf.Tensor  # [B]


def start(problem: Problem, active: tf.Tensor, settings: SearchSettings) -> SearchState:
    """Slots for new images, none of them evaluated yet.

    Args:
      problem: the images.
      active: bool [B]; slots where it is False stay idle.
      settings: of the search.
    """
    zeros = tf.zeros_like(problem.margin)
    integers = tf.zeros_like(problem.goal.label)
    solve = lbfgs.begin(problem.original, settings.pairs)
    if settings.noisy:
        solve = solve._replace(direction=problem.noise)
    return SearchState(
        problem=problem,
        status=tf.cast(active, tf.int64),  # RUNNING or IDLE
        evaluations=integers,
        stage=integers,
        solve=solve,
        margin=zeros,
        restart=tf.ones_like(active),
        solve_evaluations=integers,
        c=zeros,
        c_low=zeros,
        c_high=zeros + LARGEST,
        misses=integers,
        radius=zeros,
        best=problem.original,
        best_distance=zeros + LARGEST,
        best_margin=zeros,
    )


def sharpness(state: SearchState, settings: SearchSettings) -> tf.Tensor:
    """K of each image's loss at its stage, [B]."""
    shares = of_stage(state, settings, "sharpness", tf.float32)
    return shares / tf.maximum(state.problem.margin, SMALLEST)


def of_stage(
    state: SearchState, settings: SearchSettings, field: str, dtype: tf.DType
) -> tf.Tensor:
    """A setting of each image's stage, [B]; of the last where all are over."""
    values = tf.constant([getattr(stage, field) for stage in settings.stages], dtype)
    return tf.gather(values, tf.minimum(state.stage, len(settings.stages) - 1))
