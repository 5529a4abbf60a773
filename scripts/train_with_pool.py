r"""Trains a network on its own adversarial examples, fed back all the time (E7, section 4.2).

Example:
  python scripts/train_with_pool.py --model=fc100-100-10 --dataset=digits \
      --output_dir=results/pool

For the images and for the output of each hidden layer there is a pool of adversarial examples.
Every so many steps some of it is replaced by new ones of the network as it then is, and every step
trains on clean images and on some of each pool; a hidden layer's train the layers above it.

It prints errors, the mean minimum distortion of the test images, and what the pools cost. The
directory gets the network (saved_model), the pools as adversarial sets (pools/LAYER; a hidden
layer's examples are "images" of one row) and all numbers with the learning curve (results.json).

The paper's comparison, with pools of single layers, weight decay and dropout, is experiment E7 of
scripts/reproduce.py.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_network_flag()
cli.define_dataset_flags(split="train", what="images to train and test on")
cli.define_test_split_flag()
flags.DEFINE_list(
    "pool_layers",
    None,
    "layers with a pool: images, or the name of a hidden layer of sigmoid units (default: all)",
)
flags.DEFINE_integer("pool_size", 18_000, "examples in a pool, at most one an image", lower_bound=1)
flags.DEFINE_integer("pool_renewal", 2_400, "of these, replaced at a time", lower_bound=1)
flags.DEFINE_integer("pool_interval", 120, "steps between replacements", lower_bound=1)
flags.DEFINE_float(
    "pool_share", 1.0, "examples of each pool in a batch, for every clean image", lower_bound=0.01
)
flags.DEFINE_float(
    "pool_distortion",
    0.03,
    "root mean square, per pixel or unit, to which perturbations are scaled",
    lower_bound=1e-6,
)
flags.DEFINE_float(
    "weight_decay", 0.0, "the loss gains it times the sum of all squared weights", lower_bound=0
)
flags.DEFINE_float("pixel_dropout", 0.0, "share of the pixels dropped in a step", lower_bound=0)
flags.DEFINE_float("unit_dropout", 0.0, "share of the hidden units dropped", lower_bound=0)
flags.DEFINE_integer(
    "epochs", None, "passes over the images (default: 40, more for small datasets)", lower_bound=1
)
cli.define_num_examples_flag()
cli.define_output_flag("the network, its pools and results")
cli.define_seed_flag()
cli.define_deterministic_flag()
cli.define_tensorboard_flag("curves and pictures")


def main() -> None:
    """Trains, exports, prints."""
    from tfblindspots.experiments import PoolTrainingConfig, train_with_pools
    from tfblindspots.reports import formatting
    from tfblindspots.training import PoolConfig, Regularization

    tensorboard_dir = cli.tensorboard_dir_from_flags()
    results = train_with_pools(
        PoolTrainingConfig(
            model=FLAGS.model,
            layers=None if FLAGS.pool_layers is None else tuple(FLAGS.pool_layers),
            pool=PoolConfig(
                size=FLAGS.pool_size,
                renewal=FLAGS.pool_renewal,
                interval=FLAGS.pool_interval,
                share=FLAGS.pool_share,
                distortion=FLAGS.pool_distortion,
            ),
            regularization=Regularization(
                FLAGS.weight_decay, FLAGS.pixel_dropout, FLAGS.unit_dropout
            ),
            seed=FLAGS.seed,
            epochs=FLAGS.epochs,
            num_examples=FLAGS.num_examples,
        ),
        cli.load_dataset_from_flags(FLAGS.split or "train"),
        cli.load_dataset_from_flags(FLAGS.test_split),
        FLAGS.output_dir,
        tensorboard_dir=tensorboard_dir,
        progress=cli.on_terminal(),
    )
    print(
        f"{FLAGS.model} on {results['dataset']}: {len(results['curve'])} epochs, "
        f"{results['steps']:,} steps, {formatting.duration(results['train_seconds'])}"
    )
    for name in ("train", "test"):
        print(formatting.error_line(name, results[f"{name}_error"]))
    print(
        "mean minimum distortion of the test images, untargeted: "
        f"{formatting.distortion(results['distortion']['mean_distortion'])}"
    )
    for place, pool in results["pools"].items():
        still = formatting.percent(pool["still_adversarial"])
        print(
            f"pool of {place}: {pool['size']:,} examples, {still} of them still adversarial; "
            f"{pool['made']:,} made, {pool['evaluations_per_step']:.0f} evaluations a step"
        )
    print(f"SavedModel: {FLAGS.output_dir}/saved_model")
    if tensorboard_dir is not None:
        print(f"TensorBoard: tensorboard --logdir={tensorboard_dir}")


if __name__ == "__main__":
    cli.run(main, required=["model", "dataset", "output_dir"])
