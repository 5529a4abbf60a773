"""A network as a chain of layers, so that training can enter it at any of them."""

import itertools
import math

import keras
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import Classifier

IMAGES = "images"


class LayerChain:
    """A Keras model whose every layer takes the output of the one before.

    A place in it is ``"images"`` or the name of a hidden layer, meaning that layer's output.
    """

    def __init__(self, model: keras.Model) -> None:
        """Looks at the layers.

        Raises:
          InputError: the model is not a chain.
        """
        self.model = model
        self._classifiers: dict[str, Classifier] = {}
        self.layers = model.layers[1:]
        links = itertools.pairwise(model.layers)
        if not all(after.input is before.output for before, after in links):
            raise InputError(
                f"model {model.name} branches; expected a chain of layers, each of which takes the "
                "output of the one before."
            )
        # Layers of units; what else there is reshapes, pools or drops.
        self.hidden = tuple(layer.name for layer in self.layers[:-1] if hasattr(layer, "kernel"))

    def shape(self, place: str) -> tuple[int, ...]:
        """The shape of one example there."""
        tensor = self.model.inputs[0] if place == IMAGES else self.model.get_layer(place).output
        return tuple(tensor.shape[1:])

    def classifier(self, place: str) -> Classifier:
        """What follows a place, as the attack takes it: a vector is an image of one row.

        It is the same object for the same place, so that what was compiled for it serves as long as
        the chain does, whatever its weights become.
        """
        if place not in self._classifiers:
            shape = self.shape(place)
            self._classifiers[place] = Classifier(
                name=f"{self.model.name} above {place}",
                logits=lambda points: self.above(tf.reshape(points, [-1, *shape]), place),
                image_shape=shape if len(shape) == 3 else (1, 1, math.prod(shape)),
                num_classes=self.model.outputs[0].shape[-1],
                fingerprint="",  # changes with every step of training
                probabilities=False,
            )
        return self._classifiers[place]

    def below(self, images: tf.Tensor, place: str) -> tf.Tensor:
        """Images [N, H, W, C] to what they are at a place [N, ...]."""
        for layer in self.layers[: self._number(place)]:
            images = layer(images)
        return images

    def above(self, points: tf.Tensor, place: str, dropout: "Dropout | None" = None) -> tf.Tensor:
        """Points at a place [N, ...] to logits [N, K].

        Args:
          points: images, or activations of a hidden layer.
          place: where they are.
          dropout: of the points, if they are images, and of every hidden layer's output above. The
            model's own dropout layers do nothing.
        """
        first = self._number(place)
        if dropout and place == IMAGES:
            points = dropout(points, 0)
        for number, layer in enumerate(self.layers[first:], first + 1):
            points = layer(points)
            if dropout and layer.name in self.hidden:
                points = dropout(points, number)
        return points

    def _number(self, place: str) -> int:
        """How many layers lie below."""
        names = [IMAGES, *(layer.name for layer in self.layers)]
        return names.index(place)


class Dropout:
    """Drops pixels and units at random (Hinton et al., arXiv:1207.0580), drawn from a key alone."""

    def __init__(self, pixels: float, units: float, key: tf.Tensor, generator: str) -> None:
        """Fixes the draw.

        Args:
          pixels: share of the pixels that is set to 0; the others are scaled up to make up for it.
          units: the same of the units of hidden layers.
          key: int64 [2].
          generator: TensorFlow's name of the algorithm of random numbers.
        """
        self._rates = pixels, units
        self._key, self._generator = key, generator

    def __call__(self, points: tf.Tensor, number: int) -> tf.Tensor:
        """The output of layer ``number``, 0 standing for the images, with some of it dropped."""
        rate = self._rates[min(number, 1)]
        if not rate:
            return points
        key = tf.random.fold_in(self._key, number, alg=self._generator)
        return tf.nn.experimental.stateless_dropout(points, rate, key, rng_alg=self._generator)
