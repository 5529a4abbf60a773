r"""Trains a network of the paper, measures it, and exports it as a TensorFlow SavedModel.

Example:
  python scripts/train.py --model=fc100-100-10 --dataset=digits \
      --output_dir=results/models/fc100-100-10

It prints the errors on training and test images with exact 95 % confidence intervals. The
SavedModel needs nothing but TensorFlow; its folder assets.extra holds the network as model.keras
and what it came from as manifest.json. Attack it with scripts/attack.py.

For MNIST say --dataset=mnist; TensorFlow Datasets downloads it on first use.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_network_flag()
cli.define_dataset_flags(split="train", what="images to train and test on")
cli.define_test_split_flag()
cli.define_output_flag("the SavedModel")
cli.define_seed_flag()
cli.define_deterministic_flag()
cli.define_tensorboard_flag("curves and pictures")
flags.DEFINE_integer(
    "max_iterations",
    None,
    "stop training after so many iterations (default: what the paper's figures take)",
    lower_bound=1,
)
flags.DEFINE_float(
    "frame_bound_penalty",
    None,
    "add this times the sum of the norms of all layers to what is minimised, so that the network "
    "carries images less far apart (for networks trained by Adam, such as conv)",
    lower_bound=0.0,
)


def main() -> None:
    """Trains, exports, prints."""
    from tfblindspots.experiments import TrainingConfig, train_network
    from tfblindspots.reports import formatting

    tensorboard_dir = cli.tensorboard_dir_from_flags()
    manifest = train_network(
        TrainingConfig(FLAGS.model, FLAGS.seed, FLAGS.max_iterations, FLAGS.frame_bound_penalty),
        cli.load_dataset_from_flags(FLAGS.split or "train"),
        cli.load_dataset_from_flags(FLAGS.test_split),
        FLAGS.output_dir,
        tensorboard_dir=tensorboard_dir,
        progress=cli.on_terminal(),
    )
    print(
        f"{manifest['title']} on {manifest['dataset']}: {manifest['iterations']} iterations, "
        f"{manifest['evaluations']} evaluations, {formatting.duration(manifest['train_seconds'])}; "
        f"{manifest['message']}"
    )
    for name in ("train", "test"):
        print(formatting.error_line(name, manifest[f"{name}_error"]))
    print(f"SavedModel: {FLAGS.output_dir}")
    if tensorboard_dir is not None:
        print(f"TensorBoard: tensorboard --logdir={tensorboard_dir}")


if __name__ == "__main__":
    cli.run(main, required=["model", "dataset", "output_dir"])
