"""SqueezeNet v1.0 (Iandola et al. 2016) with ImageNet weights, and photos for it."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

_SIZE = 227
_MEAN_BGR = (104.0, 117.0, 123.0)
_FIRE = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192)} | {
    8: (64, 256),
    9: (64, 256),
}


def build(weights: str) -> keras.Model:
    """The network from RGB images [B, 227, 227, 3] in [0, 1] to logits [B, 1000].

    Args:
      weights: .npz of ``LAYER/kernel``, height x width x in x out, and ``LAYER/bias``.
    """
    images = keras.Input((_SIZE, _SIZE, 3), name="images")
    # To BGR, 0 to 255, less the mean: a 1x1 convolution, so that it is part of the graph.
    features = keras.layers.Conv2D(3, 1, name="preprocessing")(images)

    def convolution(x: keras.KerasTensor, name: str, filters: int, size: int, **options: object):  # type: ignore[no-untyped-def]
        return keras.layers.Conv2D(filters, size, activation="relu", name=name, **options)(x)

    features = convolution(features, "conv1", 96, 7, strides=2)
    for number, (squeezed, expanded) in _FIRE.items():
        if number in (2, 5, 9):
            features = keras.layers.MaxPooling2D(3, 2, name=f"pool_before_fire{number}")(features)
        fire = f"fire{number}"
        features = convolution(features, f"{fire}_squeeze1x1", squeezed, 1)
        features = keras.layers.Concatenate(name=fire)(
            [
                convolution(features, f"{fire}_expand1x1", expanded, 1),
                convolution(features, f"{fire}_expand3x3", expanded, 3, padding="same"),
            ]
        )
    features = convolution(features, "conv10", 1000, 1)
    logits = keras.layers.GlobalAveragePooling2D(name="logits")(features)
    model = keras.Model(images, logits, name="squeezenet")
    model.get_layer("preprocessing").set_weights(
        [255.0 * np.eye(3)[::-1].reshape(1, 1, 3, 3), -np.array(_MEAN_BGR)]
    )
    with np.load(weights) as arrays:
        names = {key.rpartition("/")[0] for key in arrays.files}
        for name in names:
            layer = model.get_layer(name.replace("/", "_"))
            layer.set_weights([arrays[f"{name}/kernel"], arrays[f"{name}/bias"]])
    return model


def photos(data_dir: str | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Centre crops [N, 227, 227, 3] in [0, 1] of the first ``count`` photos, and labels [N]."""
    builder = tfds.builder("imagenet_sample", data_dir=data_dir)
    dataset = builder.as_dataset(split=f"validation[:{count}]")
    images, labels = [], []
    for example in dataset:
        images.append(tf.image.resize_with_crop_or_pad(example["image"], _SIZE, _SIZE).numpy())
        labels.append(int(example["label"]))
    return np.stack(images).astype(np.float32) / 255.0, np.array(labels)
