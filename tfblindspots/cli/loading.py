"""Loads what the shared flags name; imports the package late, once the flags are right."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tfblindspots import runtime
from tfblindspots.cli.flags import numbers
from tfblindspots.cli.startup import on_terminal
from tfblindspots.errors import InputError

if TYPE_CHECKING:
    from tfblindspots.data import ImageDataset
    from tfblindspots.models import Classifier, ModelInterface


def dataset_from_flags(split: str, name: str | None = None) -> Callable[[], "ImageDataset"]:
    """What loads ``split`` of what ``--dataset`` names, as its companion flags say.

    Args:
      split: in the split syntax of TFDS.
      name: of the dataset where ``--dataset`` is not given.

    Returns:
      A function that can be sent to other processes.

    Raises:
      InputError: ``--image_size`` is not one or two numbers.
    """
    from tfblindspots.data import load_selected

    values = flags.FLAGS
    named = values.dataset or name
    assert named, "one of the two is given"
    return functools.partial(
        load_selected,
        named,
        split,
        values.data_dir,
        image_size=image_size_from_flags(),
        short_side=values.short_side,
        positive=values.positive_class,
        # Only some scripts have it.
        only=values.only_class if "only_class" in values else None,
        progress=on_terminal(),
    )


def load_dataset_from_flags(split: str, name: str | None = None) -> "ImageDataset":
    """What ``dataset_from_flags`` names.

    Raises:
      InputError: as that, or as ``load_selected``.
    """
    return dataset_from_flags(split, name)()


def classifier_from_flags() -> Callable[[], "Classifier"]:
    """What loads the model that ``--saved_model`` names, as its companion flags say.

    Returns:
      A function that can be sent to other processes.

    Raises:
      InputError: a flag is not what it should be.
    """
    from tfblindspots.models import load_classifier

    return functools.partial(
        load_classifier,
        flags.FLAGS.saved_model,
        interface=interface_from_flags(),
        allow_unsafe=flags.FLAGS.allow_unsafe,
    )


def load_classifier_from_flags() -> "Classifier":
    """What ``classifier_from_flags`` names.

    Raises:
      InputError: as that, or as ``load_classifier``, or it has not the two classes that
        ``--positive_class`` makes.
    """
    classifier = classifier_from_flags()()
    positive = flags.FLAGS["positive_class"].value if "positive_class" in flags.FLAGS else None
    if positive is not None and classifier.num_classes != 2:
        raise InputError(
            f"--positive_class makes two classes of the images, and model {classifier.name} has "
            f"{classifier.num_classes}; expected a model of two."
        )
    return classifier


def interface_from_flags() -> "ModelInterface":
    """What the flags say of the model or models: names of their parts, and their images.

    Raises:
      InputError: a flag is not what it should be.
    """
    from tfblindspots.models import ModelInterface

    values = flags.FLAGS
    low, high = _pair("pixel_range")
    return ModelInterface(
        signature=values.signature,
        input=values.input,
        output=values.output,
        output_kind=values.output_kind,
        image_size=image_size_from_flags(),
        pixel_range=(low, high),
        mean=tuple(numbers("mean", -math.inf)),
        std=tuple(numbers("std")),
        channel_order=values.channel_order,
        data_format=values.data_format,
    )


def devices_from_flags() -> tuple[str, ...] | None:
    """``--devices`` as TensorFlow names them, made where they are to be; None where not given.

    To be called before TensorFlow computes anything.

    Raises:
      InputError: as ``runtime.use_devices``.
    """
    if flags.FLAGS.devices is None:
        return None
    return runtime.use_devices(flags.FLAGS.devices)


def _pair(name: str) -> tuple[float, float]:
    pair = numbers(name, -math.inf)
    if len(pair) != 2:
        raise InputError(f"--{name} has {len(pair)} numbers; expected two, such as 0,255.")
    return pair[0], pair[1]


def tensorboard_dir_from_flags() -> str | None:
    """What ``--tensorboard_dir`` names.

    Raises:
      InputError: it names something, and TensorBoard is not installed, or ``--output_dir`` would
        lie in it.
    """
    directory = flags.FLAGS.tensorboard_dir
    if directory is not None:
        output = flags.FLAGS.output_dir
        if Path(output).resolve().is_relative_to(Path(directory).resolve()):
            raise InputError(
                f"--output_dir {output} is or lies in --tensorboard_dir {directory}, which would "
                "then hold other files; name another --tensorboard_dir."
            )
        from tfblindspots.reports.tensorboard import require_tensorboard

        require_tensorboard()
    return directory


def image_size_from_flags() -> tuple[int, int] | None:
    """Height and width that ``--image_size`` gives, as one number or two.

    Raises:
      InputError: it is something else.
    """
    parts = flags.FLAGS.image_size
    if parts is None:
        return None
    if len(parts) not in (1, 2) or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(
            f"--image_size is {','.join(parts)}; expected one number of pixels, such as 227, or "
            "height and width, such as 240,320."
        )
    return int(parts[0]), int(parts[-1])
