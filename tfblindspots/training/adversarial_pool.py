"""Pools of adversarial examples that are fed back in training (section 4.2, E7).

A pool belongs to the images or to the output of a hidden layer. An example of a hidden layer is a
change of its activations after which the layers above err, and it trains these layers alone. A part
of each pool is replaced all the time by examples of the network as it is then.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfblindspots.attacks import (
    AdversarialExamples,
    AttackConfig,
    find_float_examples,
    judge,
    judge_eight_bit,
    perturbation_sizes,
    rms_distortion,
)
from tfblindspots.data import round_to_uint8
from tfblindspots.errors import InputError
from tfblindspots.models import is_unanswered, most_likely_class, predict_logits
from tfblindspots.training.layer_chain import IMAGES, LayerChain

# Of the machine's memory, what a pool may take.
_MEMORY_SHARE = 0.5
_MOST_SHARE = 100


@dataclass(frozen=True)
class PoolConfig:
    """What pools hold. The defaults were chosen on the last 10,000 of MNIST's training images.

    Attributes:
      size: examples in a full pool; at most one an image.
      renewal: of these, so many are replaced at a time, once the pool is full.
      interval: training steps from one replacement to the next.
      share: examples of each pool in a batch, as a fraction of the clean images in it.
      distortion: root mean square per pixel or unit to which every perturbation is scaled.
      max_evaluations: of value and gradient that making an example may take.
    """

    size: int = 18_000
    renewal: int = 2_400
    interval: int = 120
    share: float = 1.0
    distortion: float = 0.03
    max_evaluations: int = 10

    def __post_init__(self) -> None:
        """Rejects what cannot be done."""
        for name in ("size", "renewal", "interval", "share", "distortion"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"pool {name} is {value}; expected a number above 0.")
        if self.share > _MOST_SHARE:
            raise InputError(f"pool share is {self.share}; expected at most {_MOST_SHARE}.")


class AdversarialPool:
    """The pool of one place in a network: its images, or the output of a hidden layer."""

    def __init__(self, chain: LayerChain, place: str, config: PoolConfig, count: int) -> None:
        """An empty pool.

        Args:
          chain: the network in training.
          place: ``"images"`` or the name of a hidden layer, whose activations must be those of
            sigmoids.
          config: what it holds.
          count: images that examples are made of.

        Raises:
          InputError: there is no such layer, or its activations may leave [0, 1].
        """
        _check_place(chain, place)
        self.place = place
        self.model = chain.model.name
        self.config = config
        self.shape = chain.shape(place)
        self.size = min(config.size, count)
        self._chain = chain
        # Concrete, so that one pool after another is no retracing to TensorFlow.
        self._below = tf.function(
            lambda images: chain.below(images, place), autograph=False
        ).get_concrete_function(tf.TensorSpec([None, *chain.shape(IMAGES)], tf.float32))
        self._classifier = chain.classifier(place)
        # Perturbations, and the images that they belong to: activations of a layer drift while the
        # layers below it learn, and what is added to them stays apt for longer than their sum.
        self._changes = tf.Variable(tf.zeros([self.size, *self.shape]), trainable=False)
        self._rows = tf.Variable(tf.zeros([self.size], tf.int64), trainable=False)
        self._notes: dict[str, np.ndarray] = {
            "c": np.zeros(self.size, np.float32),
            "evaluations": np.zeros(self.size, np.int64),
            "status": np.full(self.size, "", dtype=object),
        }
        self.count = tf.Variable(0, trainable=False)  # how many of them there are
        self.made = 0  # examples ever made
        self.evaluations = 0  # of value and gradient, for all of these

    def renew(self, images: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> None:
        """Makes examples of the network as it is; they replace others once the pool is full.

        An image that is misclassified to begin with has no perturbation and is left out: training
        on the image itself sees to it. So is one for which none was found.

        Args:
          images: float32 [N, H, W, C] in [0, 1], all that there are.
          labels: int64 [N].
          generator: draws of which images they are made, and which others go.
        """
        wanted = min(self.config.renewal, self.size)
        chosen = generator.choice(len(labels), wanted, replace=False)
        originals = self._activations(images[chosen])
        attack = AttackConfig(
            target="untargeted", effort="fast", max_evaluations=self.config.max_evaluations
        )
        found = find_float_examples(self._classifier, originals, labels[chosen], attack)
        self.evaluations += int(found.evaluations.sum())
        good = np.flatnonzero((found.success == 1) & (found.distortion > 0))
        self.made += good.size
        count = int(self.count.numpy())
        appended = min(self.size - count, good.size)
        replaced = generator.choice(max(count, 1), good.size - appended, replace=False)
        slots = np.concatenate([np.arange(count, count + appended), replaced])
        scale = self.config.distortion / rms_distortion(originals, found.image)[good]
        changes = (found.image - originals)[good].reshape(-1, *self.shape)
        changes *= scale.astype(np.float32).reshape(-1, *[1] * len(self.shape))
        self._changes.scatter_update(tf.IndexedSlices(changes, slots))
        self._rows.scatter_update(tf.IndexedSlices(chosen[good], slots))
        for name, values in self._notes.items():
            values[slots] = getattr(found, name)[good]
        self.count.assign(count + appended)

    def state(self) -> dict[str, Any]:
        """All that changes while the network is trained, for a checkpoint."""
        changing = {
            "changes": self._changes.numpy(),
            "rows": self._rows.numpy(),
            "count": self.count.numpy(),
            "made": self.made,
            "evaluations spent": self.evaluations,
            **self._notes,
            "status": self._notes["status"].astype(str),
        }
        return {f"pool of {self.place}: {name}": value for name, value in changing.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what ``state`` gave."""
        saved = {name: state[f"pool of {self.place}: {name}"] for name in ("made", *self._notes)}
        self._notes = {name: saved[name].copy() for name in self._notes}
        self._notes["status"] = self._notes["status"].astype(object)
        for variable, name in (
            (self._changes, "changes"),
            (self._rows, "rows"),
            (self.count, "count"),
        ):
            variable.assign(state[f"pool of {self.place}: {name}"])
        self.made = int(saved["made"])
        self.evaluations = int(state[f"pool of {self.place}: evaluations spent"])

    def draw(
        self, images: tf.Tensor, labels: tf.Tensor, number: int, key: tf.Tensor, algorithm: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Examples drawn at random, with replacement; traceable.

        Args:
          images: as in ``renew``.
          labels: as in ``renew``.
          number: how many to draw.
          key: int64 [2], of the draw.
          algorithm: TensorFlow's name of the algorithm of random numbers.

        Returns:
          Points [number, ...], constants to the layers below, and labels int64 [number]. While the
          pool is empty they are unchanged images.
        """
        most = tf.maximum(self.count, 1)
        slots = tf.random.stateless_uniform([number], key, 0, most, tf.int32, alg=algorithm)
        rows = tf.gather(self._rows, slots)
        points = self._chain.below(tf.gather(images, rows), self.place)
        points = tf.clip_by_value(points + tf.gather(self._changes, slots), 0, 1)
        return tf.stop_gradient(points), tf.gather(labels, rows)

    def examples(
        self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> AdversarialExamples:
        """The pool as it is, judged by the network as it is.

        Args:
          images: as in ``renew``.
          labels: as in ``renew``.
          indices: int64 [N], positions of the images in their source split.

        Returns:
          The pool's examples. Where the network has since learnt one, ``success`` is 0. ``c``,
          ``evaluations`` and ``status`` are of the search that found it, before it was scaled;
          ``image_uint8`` is ``image``, rounded.
        """
        count = int(self.count.numpy())
        rows = self._rows.numpy()[:count]
        original = self._activations(images[rows])
        change = self._changes.numpy()[:count].reshape(original.shape)
        image = np.clip(original + change, 0, 1)
        label = labels[rows]
        target = np.full(count, -1, np.int64)
        before = most_likely_class(predict_logits(self._classifier, original))
        # As in an attack: what is not answered is as good as nothing found.
        lost = is_unanswered(predict_logits(self._classifier, image))
        image[lost] = original[lost]
        after, success = judge(predict_logits(self._classifier, image), label, target, before)
        # Far beyond the boundary, where plain rounding hardly matters.
        eight_bit = judge_eight_bit(
            self._classifier, round_to_uint8(image), original, label, target, before
        )
        return AdversarialExamples(
            image=image,
            original=original,
            label=label,
            original_prediction=before,
            prediction=after,
            target=target,
            success=success.astype(np.int64),
            index=indices[rows].astype(np.int64),
            **perturbation_sizes(original, image),
            **eight_bit._asdict(),
            **{name: values[:count] for name, values in self._notes.items()},
        )

    def _activations(self, images: np.ndarray) -> np.ndarray:
        """What images are at the pool's place, in the shape that the attack takes."""
        return self._below(tf.constant(images)).numpy().reshape(-1, *self._classifier.image_shape)


def places(chain: LayerChain) -> tuple[str, ...]:
    """Where a network can have pools: its images, and the hidden layers of sigmoid units."""
    return (IMAGES, *(name for name in chain.hidden if _is_sigmoid(chain, name)))


def _is_sigmoid(chain: LayerChain, name: str) -> bool:
    activation = getattr(chain.model.get_layer(name), "activation", None)
    return activation is keras.activations.sigmoid


def _check_place(chain: LayerChain, place: str) -> None:
    if place == IMAGES:
        return
    if place not in chain.hidden:
        raise InputError(
            f"model {chain.model.name} has no hidden layer '{place}'; expected {IMAGES} or one of "
            f"{', '.join(chain.hidden) or 'none: it has no hidden layers'}."
        )
    if not _is_sigmoid(chain, place):
        raise InputError(
            f"layer {place} of {chain.model.name} has no sigmoid units; expected activations in "
            f"[0, 1], where the attack searches. Leave it out of the pools."
        )


def make_pools(
    chain: LayerChain, layers: Sequence[str], config: PoolConfig, count: int
) -> list[AdversarialPool]:
    """Empty pools of some layers.

    Args:
      chain: the network, cut at its layers.
      layers: names of the places that get a pool each.
      config: of every pool.
      count: of the training images; a pool has at most as many examples.

    Raises:
      InputError: as ``AdversarialPool``, or all together they would not fit in memory.
    """
    for place in layers:
        _check_place(chain, place)
    numbers = sum(math.prod(chain.shape(place)) for place in layers)
    size = min(config.size, count)
    needed = 4 * size * numbers
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > _MEMORY_SHARE * available:
        raise InputError(
            f"pools of {size:,} examples of {', '.join(layers)} take {needed / 2**30:,.1f} GiB of "
            f"this machine's {available / 2**30:,.1f}; expected at most {_MEMORY_SHARE:.0%}. Make "
            "them smaller, or name fewer layers."
        )
    return [AdversarialPool(chain, place, config, count) for place in layers]
