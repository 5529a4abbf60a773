"""Full-batch L-BFGS, by which the paper trained its networks on MNIST (section 4.1)."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tqdm

from tfblindspots.training.checkpoint import NO_CHECKPOINTS, Checkpoint, Checkpoints
from tfblindspots.training.objective import (
    check_finite,
    mean_cross_entropy,
    weight_decay_penalty,
)
from tfblindspots.training.progress import Follow, Progress
from tfblindspots.training.result import TrainingResult

# Hager and Zhang's line search makes about 3 evaluations an iteration, each of them all images:
# beside that, more curvature pairs cost nothing.
_CURVATURE_PAIRS = 20

_TINY = float(np.finfo(np.float32).tiny)

# Where float32 resolves no lower loss, digits and MNIST leave gradients of 1e-6 to 2e-5.
_ROUNDING_TOLERANCE = 1e-4


class Minimum(NamedTuple):
    """Where a minimisation stopped, and why."""

    position: tf.Tensor  # float32 [n]
    value: float  # of the objective at the position
    gradient_norm: float  # largest absolute component of the gradient there
    converged: bool  # a criterion of convergence was met
    iterations: int
    evaluations: int  # of the objective and its gradient
    message: str  # why it stopped


def minimize(
    objective: Callable[[tf.Tensor], tf.Tensor],
    initial_position: tf.Tensor,
    *,
    max_iterations: int,
    gradient_tolerance: float = 1e-6,
    relative_tolerance: float = 1e-5,
    chunk: int = 25,
    name: str = "objective",
    checkpoint: Checkpoint | None = None,
    after_iteration: Callable[[int, float, tf.Tensor], object] = lambda done, value, position: None,
    progress: bool = False,
) -> Minimum:
    """Minimises a function by ``tfp.optimizer.lbfgs_minimize``, an iteration at a time.

    An iteration ends, the optimiser's whole state is kept, and the next goes on from it: the
    iterates are those of one uninterrupted run, and cost no more. Between them there is time to
    tell of progress and, after each chunk of iterations, to judge it.

    It has converged when no component of the gradient exceeds ``gradient_tolerance``; when a whole
    chunk lowered the objective by less than ``relative_tolerance`` of its value; or when the line
    search finds no lower value and no component of the gradient exceeds 1e-4, which is where the
    rounding of float32 ends a descent. A line search that fails elsewhere, or the limit of
    iterations, is not convergence. ``message`` tells which it was.

    Args:
      objective: float32 position [n] to a float32 scalar; differentiable, traceable.
      initial_position: float32 [n].
      max_iterations: at most so many iterations.
      gradient_tolerance: on the gradient's supremum norm.
      relative_tolerance: on the objective's relative decrease over a full chunk; 0 switches this
        criterion off.
      chunk: iterations over which the relative decrease is taken.
      name: what is minimised, for the progress bar and for messages.
      checkpoint: where it goes on from, and saves the optimiser's state; None for nowhere.
      after_iteration: called with the iterations done, the objective and the position.
      progress: shows a bar.

    Returns:
      A ``Minimum``.

    Raises:
      InputError: the objective became NaN or infinite.
    """
    # Here, since it takes a second to import, which nobody else is to wait for.
    import tensorflow_probability as tfp

    # Concrete functions: traced once, here, which is no retracing that TensorFlow need warn about.
    value_and_gradient = tf.function(
        lambda position: tfp.math.value_and_gradient(objective, position), autograph=False
    ).get_concrete_function(initial_position)
    state = tfp.optimizer.lbfgs_minimize(
        value_and_gradient,
        initial_position=initial_position,
        num_correction_pairs=_CURVATURE_PAIRS,
        tolerance=gradient_tolerance,
        max_iterations=0,
    )
    # Compiled as a graph but not by XLA, which needed 1.1 times the processor time on 60,000
    # images and 784-100-100-10: this is all matrix products, and XLA's are no faster.
    advance = tf.function(
        lambda state, limit: tfp.optimizer.lbfgs_minimize(
            value_and_gradient,
            initial_position=None,
            previous_optimizer_results=state,
            num_correction_pairs=_CURVATURE_PAIRS,
            tolerance=gradient_tolerance,
            max_iterations=limit,
        ),
        autograph=False,
    ).get_concrete_function(state, tf.TensorSpec([], tf.int32))
    checkpoint = checkpoint or Checkpoint(None)
    previous = decrease = math.inf  # of the objective, a chunk ago and since then
    if checkpoint.state is not None:
        state = _restored(state, checkpoint.state)
        previous, decrease = (float(checkpoint.state[name]) for name in ("previous", "decrease"))
    value, iterations = float(state.objective_value), int(state.num_iterations)
    check_finite(value, name, iterations)
    with tqdm.tqdm(
        total=max_iterations, initial=iterations, desc=name, unit="it", disable=not progress
    ) as bar:
        while not _stopped(state) and decrease > relative_tolerance and iterations < max_iterations:
            begun = iterations
            if begun % chunk == 0:
                previous = value
            state = advance(state, tf.constant(begun + 1))
            iterations, value = int(state.num_iterations), float(state.objective_value)
            check_finite(value, name, iterations)
            after_iteration(iterations, value, state.position)
            if iterations > begun and iterations % chunk == 0:
                decrease = (previous - value) / max(abs(previous), _TINY)
            checkpoint.save(lambda: _saved(state, previous, decrease))  # noqa: B023 - called at once
            bar.update(iterations - begun)
            bar.set_postfix(
                {"loss": f"{value:.3g}", "evaluations": int(state.num_objective_evaluations)},
                refresh=False,
            )
        checkpoint.save(lambda: _saved(state, previous, decrease), last=True)
    gradient_norm = float(tf.reduce_max(tf.abs(state.objective_gradient)))
    steepness = f"largest component of the gradient {gradient_norm:.1e}"
    converged = True
    if gradient_norm <= gradient_tolerance:
        reason = f"converged: {steepness}"
    elif decrease <= relative_tolerance:
        reason = f"converged: {chunk} iterations lowered the loss by {decrease:.1e} of its value"
    elif _stopped(state) and gradient_norm <= _ROUNDING_TOLERANCE:
        reason = f"converged to the rounding of float32: {steepness}"
    elif _stopped(state):
        converged = False
        reason = f"not converged: the line search found no lower loss, {steepness}"
    else:
        converged = False
        reason = f"not converged: stopped at the limit of {max_iterations} iterations, {steepness}"
    return Minimum(
        position=state.position,
        value=value,
        gradient_norm=gradient_norm,
        converged=converged,
        iterations=iterations,
        evaluations=int(state.num_objective_evaluations),
        message=reason,
    )


def fit_lbfgs(
    model: keras.Model,
    inputs: np.ndarray,
    labels: np.ndarray,
    weight_decays: Mapping[str, float],
    *,
    max_iterations: int,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    follow: Follow | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Trains a model's trainable variables on all images at once.

    Args:
      model: gives logits [N, K]; its layers hold no state that a call changes.
      inputs: float32 [N, ...], what the model takes.
      labels: int64 [N].
      weight_decays: lambda by layer name, see ``weight_decay_penalty``.
      max_iterations: at most so many iterations.
      checkpoints: where the training goes on from, and is saved.
      follow: called after each of them.
      progress: shows a bar.

    Returns:
      A ``TrainingResult`` whose model is ``model``, at the minimum that was found.

    Raises:
      InputError: the loss became NaN or infinite.
    """
    checkpoint = checkpoints.of(model.name)
    variables = model.trainable_variables
    shapes = [tuple(variable.shape) for variable in variables]
    sizes = [math.prod(shape) for shape in shapes]
    all_inputs, all_labels = tf.constant(inputs), tf.constant(labels)

    def unflatten(position: tf.Tensor) -> list[tf.Tensor]:
        parts = tf.split(position, sizes)
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]

    def loss(position: tf.Tensor) -> tf.Tensor:
        # In this scope the variables *are* the parts of the position, so that the gradient
        # flows to it and the model's own call and the penalty serve as they are.
        with keras.StatelessScope(list(zip(variables, unflatten(position), strict=True))):
            logits = model(all_inputs, training=True)
            penalty = weight_decay_penalty(model, weight_decays)
        return mean_cross_entropy(all_labels, logits) + penalty

    def assign(position: tf.Tensor) -> None:
        for variable, value in zip(variables, unflatten(position), strict=True):
            variable.assign(value)

    def tell(done: int, value: float, position: tf.Tensor) -> None:
        if follow is not None:
            assign(position)
            follow(Progress(model.name, done, max_iterations, value, model))

    minimum = minimize(
        loss,
        tf.concat([tf.reshape(variable.value, [-1]) for variable in variables], axis=0),
        max_iterations=max_iterations,
        name=model.name,
        checkpoint=checkpoint,
        after_iteration=tell,
        progress=progress,
    )
    assign(minimum.position)
    return TrainingResult(
        model=model,
        converged=minimum.converged,
        iterations=minimum.iterations,
        evaluations=minimum.evaluations,
        loss=minimum.value,
        seconds=checkpoint.seconds,
        message=minimum.message,
    )


def _saved(state: Any, previous: float, decrease: float) -> dict[str, Any]:
    return {
        **{name: part.numpy() for name, part in state._asdict().items()},
        "previous": previous,
        "decrease": decrease,
    }


def _restored(state: Any, saved: Mapping[str, np.ndarray]) -> Any:
    """The optimiser's state that ``_saved`` has kept; ``state`` is any of this problem."""
    return state._replace(
        **{name: tf.constant(saved[name], part.dtype) for name, part in state._asdict().items()}
    )


def _stopped(state: Any) -> bool:
    """Whether the optimiser would refuse to go on."""
    return bool(state.converged) or bool(state.failed)
