"""The flags that several scripts share, each defined in one place and at most once a process.

A flag's default must not depend on the script: importing two scripts in one process (as tests do)
would give both the first one's. Where scripts differ the default is None, the script replaces it,
and its help says by what.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from tfblindspots.errors import InputError

# Makes absl's --help list these flags under the script that asks for them.
flags.disclaim_key_flags()


def define_dataset_flags(*, split: str | None = None, what: str = "images") -> None:
    """``--dataset`` and what goes with it, and ``--split``.

    Args:
      split: the split that the script takes when none is given; None leaves ``--split`` out.
      what: what the script does with the images, for the help.
    """
    _define(
        flags.DEFINE_string,
        "dataset",
        None,
        f"{what}: digits (embedded, needs no network), a TensorFlow Datasets name such as mnist, "
        "or a path: a folder of images with a sub-folder a class (its split is test, unless it "
        "has folders train, test, ... of these), a .npz file with images and labels (or x_train, "
        "y_train, ...), or a TFDS directory",
    )
    define_data_dir_flag()
    _define_image_size_flag()
    _define(
        flags.DEFINE_integer,
        "short_side",
        None,
        "with --image_size: short side of the scaled image, of which the middle is taken (default: "
        "at most 8/7 of --image_size, so 256 for 224; images are enlarged only to fill it)",
        lower_bound=1,
    )
    _define(
        flags.DEFINE_string,
        "positive_class",
        None,
        "make two classes of those of --dataset: this one, such as automobile, and the rest",
    )
    if split is not None:
        _define(
            flags.DEFINE_string,
            "split",
            None,
            f"split of --dataset in TFDS syntax, such as test or train[:500] (default: {split})",
        )


def define_data_dir_flag() -> None:
    """``--data_dir``."""
    _define(
        flags.DEFINE_string,
        "data_dir",
        None,
        "where TensorFlow Datasets keeps its data (default: $TFDS_DATA_DIR, else "
        "~/tensorflow_datasets)",
    )


def define_only_class_flag() -> None:
    """``--only_class``."""
    _define(
        flags.DEFINE_string,
        "only_class",
        None,
        "take only the images of this class (of the two, where --positive_class is given)",
    )


def define_model_flag() -> None:
    """``--saved_model``, and the flags of ``define_model_interface_flags``."""
    define_saved_model_flag()
    define_model_interface_flags()


def define_saved_model_flag() -> None:
    """``--saved_model``."""
    _define(
        flags.DEFINE_string,
        "saved_model",
        None,
        "model: SavedModel directory, .keras or .h5 file",
    )


def define_models_flag(text: str) -> None:
    """``--saved_models``, a list, whose help is ``text``."""
    _define(flags.DEFINE_list, "saved_models", None, text)


def define_model_interface_flags() -> None:
    """What a model made elsewhere may need: ``models.ModelInterface``, ``--allow_unsafe``."""
    _define_image_size_flag()
    for part, default in (
        ("signature", "serving_default, or the only one"),
        ("input", "the only one"),
        ("output", "logits, or the only one"),
    ):
        _define(
            flags.DEFINE_string,
            part,
            None,
            f"name of the model's {part} (default: {default}; a wrong one lists them)",
        )
    _define_choice(
        "output_kind",
        ["auto", "logits", "probabilities"],
        "what the model's output is; auto: as its last layer says, or found by trying",
    )
    _define(
        flags.DEFINE_list,
        "pixel_range",
        ["0", "1"],
        "what black and white are to the model, such as 0,255 or -1,1, unless it scales images "
        "in [0, 1] itself",
    )
    _define(
        flags.DEFINE_list,
        "mean",
        [],
        "what the model expects subtracted, in units of --pixel_range: a number, or one a channel "
        "in the model's order",
    )
    _define(flags.DEFINE_list, "std", [], "by what it expects the difference divided, likewise")
    _define_choice("channel_order", ["rgb", "bgr"], "order of colours that the model expects")
    _define_choice(
        "data_format", ["channels_last", "channels_first"], "order of axes that the model expects"
    )
    define_allow_unsafe_flag()


def define_allow_unsafe_flag() -> None:
    """``--allow_unsafe``."""
    _define(
        flags.DEFINE_boolean,
        "allow_unsafe",
        False,
        "also load a model that holds Python code, or operations that reach files, the network or "
        "Python, which may do whatever you may do on this machine; only if you trust its maker",
    )


def define_network_flag() -> None:
    """``--model``, a network that is defined here."""
    _define(
        flags.DEFINE_string,
        "model",
        None,
        "network: fc10-1e-4, fc10-1e-2, fc10-1 (softmax regression with that weight decay), "
        "fcA-B-...-K (sigmoid layers of A, B, ... units and K classes, such as fc100-100-10), "
        "aeN-K (sparse autoencoder, such as ae400-10), conv, squeezenet, alexnet, alexnet-caffe, "
        "or a network of keras.applications, such as MobileNetV2",
    )


def define_num_classes_flag() -> None:
    """``--num_classes`` of the network that ``--model`` names."""
    _define(
        flags.DEFINE_integer, "num_classes", 1000, "classes of the --model network", lower_bound=2
    )


def define_test_split_flag() -> None:
    """``--test_split``."""
    _define(
        flags.DEFINE_string,
        "test_split",
        "test",
        "split of --dataset on which the network is measured",
    )


def define_sets_flag() -> None:
    """``--adversarial_sets``."""
    _define(
        flags.DEFINE_list,
        "adversarial_sets",
        [],
        "directories of adversarial sets, as scripts/attack.py writes them, A,B,...",
    )


def define_set_flag() -> None:
    """``--adversarial_set``."""
    _define(
        flags.DEFINE_string,
        "adversarial_set",
        None,
        "directory of an adversarial set, as scripts/attack.py writes it",
    )


def define_amplification_flag(text: str) -> None:
    """``--amplify_to``, whose help is ``text``."""
    _define(flags.DEFINE_float, "amplify_to", None, text, lower_bound=1e-6)


def define_output_flag(what: str) -> None:
    """``--output_dir``, the directory of ``what``."""
    _define(
        flags.DEFINE_string,
        "output_dir",
        None,
        f"directory of {what}: new, empty, or that of the same command, interrupted or not",
    )


def define_tensorboard_flag(what: str) -> None:
    """``--tensorboard_dir``, the directory of ``what``."""
    _define(
        flags.DEFINE_string,
        "tensorboard_dir",
        None,
        f"write {what} for TensorBoard, too, into this directory; new or empty. See them with "
        "tensorboard --logdir=DIRECTORY, or of the directory above to see several runs (needs "
        "the extra tensorboard)",
    )


def define_export_flag() -> None:
    """``--export``."""
    _define(
        flags.DEFINE_enum,
        "export",
        None,
        ["npz"],
        "write the finished set in this form, too, for Python without TensorFlow; npz: one file "
        "that numpy.load reads, by default examples.npz in the set's directory",
    )


def define_seed_flag() -> None:
    """``--seed``."""
    _define(
        flags.DEFINE_integer,
        "seed",
        0,
        "seed of all random numbers: the same seed on the same machine gives the same result",
        lower_bound=0,
    )


def define_deterministic_flag() -> None:
    """``--deterministic``, which ``run`` obeys; beside ``--seed``."""
    _define(
        flags.DEFINE_boolean,
        "deterministic",
        False,
        "have TensorFlow compute the same bytes in every run on the same machine, also where that "
        "is slower; matters on GPUs, whose sums are otherwise in any order",
    )


def define_devices_flag(text: str) -> None:
    """``--devices``, whose help begins with ``text``; read it with ``devices_from_flags``."""
    _define(
        flags.DEFINE_list,
        "devices",
        None,
        f"{text}: all (every GPU, the CPU where there is none), or names, such as GPU:0,GPU:1; "
        "CPU:0,CPU:1 are the CPU twice (default: where TensorFlow puts it, which is one device)",
    )


def define_attack_size_flags() -> None:
    """``--num_examples`` and ``--shard_size``."""
    define_num_examples_flag()
    _define(
        flags.DEFINE_integer,
        "shard_size",
        None,
        "examples a file, which an interrupted run makes whole or not at all (default: 5000, of "
        "photos as many as 256 MiB hold)",
        lower_bound=1,
    )


def define_num_examples_flag() -> None:
    """``--num_examples``."""
    _define(
        flags.DEFINE_integer,
        "num_examples",
        None,
        "attack only this many images, the first ones (default: all)",
        lower_bound=1,
    )


def batch_size(text: str | None) -> int | str | None:
    """The value of ``--batch_size``: a number where it is one, for the attack to judge."""
    return int(text) if text is not None and text.isdecimal() else text


def numbers(name: str, lowest: float = 0) -> list[float]:
    """The value of a list flag as numbers.

    Raises:
      InputError: an entry is not a finite number of at least ``lowest``.
    """
    values = []
    limit = "" if lowest == -math.inf else f" of at least {lowest:g}"
    for text in flags.FLAGS[name].value:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= lowest):
            raise InputError(f"--{name} holds {text!r}; expected numbers{limit}, such as 0.1,0.3.")
        values.append(value)
    return values


def whole_numbers(name: str) -> list[int]:
    """The value of a list flag as whole numbers.

    Raises:
      InputError: an entry is not a whole number of at least 0.
    """
    for text in flags.FLAGS[name].value:
        if not text.isdecimal():
            raise InputError(
                f"--{name} holds {text!r}; expected whole numbers of at least 0, such as 0,1,2."
            )
    return [int(text) for text in flags.FLAGS[name].value]


def _define_image_size_flag() -> None:
    _define(
        flags.DEFINE_list,
        "image_size",
        None,
        "pixels, such as 227, or height and width, such as 240,320: scale every image and take its "
        "middle; also the size of a model that leaves it open (default: images as they are)",
    )


def _define_choice(name: str, choices: Sequence[str], text: str) -> None:
    """A flag that takes one of ``choices``, by default the first."""
    _define(flags.DEFINE_enum, name, choices[0], choices, text)


def _define(define: Callable[..., Any], name: str, *arguments: Any, **limits: Any) -> None:
    if name not in flags.FLAGS:
        define(name, *arguments, **limits)
