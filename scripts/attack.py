r"""Finds the minimum-distortion adversarial example of every image and writes them as a set.

Example:
  python scripts/attack.py --saved_model=results/models/fc100-100-10 --dataset=digits --split=test \
      --target=random --output_dir=results/sets/fc100-100-10

The model may be any SavedModel, .keras or .h5 file that maps images to logits or probabilities;
flags say what it expects where that is not float32 images [N, H, W, C] in [0, 1]:
  python scripts/attack.py --saved_model=vgg.h5 --pixel_range=0,255 --channel_order=bgr \
      --mean=103.939,116.779,123.68 --dataset=photos --image_size=224 --output_dir=results/sets/vgg

The set is a directory of TFRecord files that TensorFlow Datasets reads
(tfds.builder_from_directory) where this package is not installed; docs/read_a_set.md shows how. An
interrupted run is resumed by the same command, which makes the files that are missing.

Check it with scripts/verify_set.py, feed it to other models with scripts/evaluate.py.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tfblindspots import cli
from tfblindspots.errors import InputError

if TYPE_CHECKING:
    from tfblindspots.experiments import AttackRun, Engine

FLAGS = flags.FLAGS

cli.define_model_flag()
cli.define_dataset_flags(split="test", what="images to attack")
cli.define_only_class_flag()
cli.define_attack_size_flags()
flags.DEFINE_integer(
    "sample",
    None,
    "attack so many images, drawn at random (by --seed) from all that the model classifies "
    "correctly and that are not of the target class, instead of the first --num_examples",
    lower_bound=1,
)
flags.DEFINE_string(
    "target",
    "random",
    "class to reach: random (any other class), untargeted (whichever is nearest), most_likely or "
    "least_likely (after the true one), all (each in turn, the nearest is kept), a class number, "
    "or the name of a class of --dataset, such as ostrich",
)
cli.define_output_flag("the adversarial set")
flags.DEFINE_enum(
    "norm",
    "squared_l2",
    ["squared_l2", "l2"],
    "what is minimised: |r|^2, which is smooth, or |r|, as the paper writes it",
)
flags.DEFINE_enum(
    "solver",
    "lbfgs",
    ["lbfgs", "tfp"],
    "lbfgs: box-constrained, every image at its own pace; tfp: tfp.optimizer.lbfgs_minimize with "
    "the box by clipping, to compare with",
)
flags.DEFINE_enum(
    "effort",
    "standard",
    ["fast", "standard", "thorough"],
    "what lbfgs spends on an image: fast, for training with adversarial examples; thorough adds "
    "noisy starts and finds nearer images, at 3 to 5 times the cost of standard",
)
flags.DEFINE_string(
    "batch_size",
    None,
    "images in work at a time, or auto: as many as the free memory holds (default: 256; 16 where "
    "they have more than 20,000 pixels); halved where memory runs out",
)
flags.DEFINE_integer(
    "max_evaluations",
    None,
    "evaluations of the model that an image may take (default: 200; 1000 with --effort=thorough, "
    "5000 with --solver=tfp)",
    lower_bound=10,
)
flags.DEFINE_enum(
    "xla",
    "auto",
    ["auto", "on", "off"],
    "compile with XLA; auto: everywhere but for convolutions on a CPU, which it slows down",
)
flags.DEFINE_enum(
    "bits",
    None,
    ["8"],
    "8: find the nearest image of whole grey levels from 0 to 255, which a PNG file holds, and "
    "spend more on it; by default images are floats, each with an image of 8 bits beside it",
)
flags.DEFINE_string(
    "shard_range",
    None,
    "make only these files of the set, such as 0:10 for the first ten, while other processes make "
    "others; --finish makes a set of them",
)
flags.DEFINE_boolean(
    "finish",
    False,
    "attack nothing: check that all files are there, made by --shard_range, and complete the set",
)
flags.DEFINE_enum(
    "runner",
    "local",
    ["local", "beam"],
    "who makes the set's files: local, this process, or those of --devices; beam: workers of "
    "Apache Beam, by default one a core of this machine (needs the extra beam)",
)
flags.DEFINE_list(
    "beam_options",
    [],
    "Beam's own options with --runner=beam, such as direct_num_workers=4 or "
    "runner=FlinkRunner,flink_master=localhost:8081",
)
cli.define_devices_flag("where to make the set's files, by one process a device")
cli.define_seed_flag()
cli.define_deterministic_flag()
cli.define_export_flag()
cli.define_tensorboard_flag("pictures, histograms and the Embedding Projector's files")
flags.DEFINE_string(
    "projector_layer",
    None,
    "layer whose activations --tensorboard_dir's Embedding Projector shows (default: the one "
    "before the last, and the logits where the model does not give its layers)",
)


def main() -> None:
    """Attacks, writes, prints."""
    from tfblindspots.adversarial_sets import export_npz
    from tfblindspots.attacks import AttackConfig
    from tfblindspots.experiments import AttackRun, SetBoard, refuse_missing, target_by_name
    from tfblindspots.reports import quality_card_lines

    numbers = shard_range_from_flags()
    engine = engine_from_flags()
    tensorboard_dir = cli.tensorboard_dir_from_flags()
    if FLAGS.projector_layer is not None and tensorboard_dir is None:
        raise InputError(
            "--projector_layer is given without --tensorboard_dir, which shows the layer; give it."
        )
    dataset = cli.load_dataset_from_flags(FLAGS.split or "test")
    config = AttackConfig(
        target=target_by_name(FLAGS.target, dataset),
        norm=FLAGS.norm,
        solver=FLAGS.solver,
        effort=FLAGS.effort,
        batch_size=cli.batch_size(FLAGS.batch_size),
        max_evaluations=FLAGS.max_evaluations,
        seed=FLAGS.seed,
        bits=int(FLAGS.bits) if FLAGS.bits else None,
        xla={"auto": None, "on": True, "off": False}[FLAGS.xla],
    )
    classifier = cli.load_classifier_from_flags()
    board = None
    if tensorboard_dir is not None:
        board = SetBoard(
            tensorboard_dir,
            FLAGS.saved_model,
            classifier,
            layer=FLAGS.projector_layer,
            interface=cli.interface_from_flags(),
            seed=FLAGS.seed,
        )
    run = AttackRun(
        classifier,
        dataset,
        config,
        Path(FLAGS.output_dir),
        num_examples=FLAGS.num_examples,
        sample=FLAGS.sample,
        shard_size=FLAGS.shard_size,
        progress=cli.on_terminal(),
    )
    if numbers is not None:
        make_part(run, numbers, engine)
        return
    manifest = run.complete(refuse_missing if FLAGS.finish else engine)
    print("\n".join(quality_card_lines(manifest)))
    print(f"adversarial set: {FLAGS.output_dir}")
    if FLAGS.export == "npz":
        print(f"arrays: {export_npz(FLAGS.output_dir)}")
    if board is not None:
        board.show(FLAGS.output_dir)
        print(f"TensorBoard: tensorboard --logdir={tensorboard_dir}")


def engine_from_flags() -> "Engine":
    """What ``--runner`` and ``--devices`` ask for.

    Raises:
      InputError: they are not what they should be, or do not go together.
    """
    from tfblindspots.experiments import Inputs, beam_engine, device_engine, make_in_turn

    inputs = Inputs(cli.classifier_from_flags(), cli.dataset_from_flags(FLAGS.split or "test"))
    if FLAGS.runner == "beam":
        if FLAGS.devices is not None:
            raise InputError("--devices is of --runner=local, and --runner is beam; leave one out.")
        return beam_engine(inputs, FLAGS.beam_options)
    if FLAGS.beam_options:
        raise InputError("--beam_options are given without --runner=beam; give it.")
    devices = cli.devices_from_flags()
    return make_in_turn if devices is None else device_engine(inputs, devices)


def make_part(run: "AttackRun", numbers: range, engine: "Engine") -> None:
    """Makes what ``--shard_range`` names, and says what is left to do."""
    from tfblindspots.artifacts import MANIFEST
    from tfblindspots.experiments import as_ranges

    missing = run.make_part(numbers, engine)
    print(f"files {numbers.start}:{numbers.stop} of the set are in {FLAGS.output_dir}")
    if missing:
        print(f"missing there: {as_ranges(missing)}")
    elif (run.directory / MANIFEST).exists():
        print("the set is complete")
    else:
        print("none is missing there: complete it, with --finish instead of --shard_range")


def shard_range_from_flags() -> range | None:
    """What ``--shard_range`` names.

    Raises:
      InputError: it is no range, or flags are given that only a whole set can follow.
    """
    text = FLAGS.shard_range
    if text is None:
        return None
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise InputError(
            f"--shard_range is {text}; expected the first file's number and that after the last, "
            "such as 0:10."
        )
    for name in ("finish", "export", "tensorboard_dir"):
        if FLAGS[name].value:
            raise InputError(
                f"--{name} is of a whole set, and --shard_range makes a part of one; give one of "
                "them."
            )
    return range(int(found[1]), int(found[2]))


if __name__ == "__main__":
    cli.run(main, required=["saved_model", "dataset", "output_dir"])
