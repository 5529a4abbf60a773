r"""Bounds how far a network can carry two images apart, layer by layer (E6, table 5).

Examples:
  python scripts/frame_bounds.py --saved_model=saved_models/mnist/fc100-100-10 \
      --adversarial_sets=results/sets/fc100-100-10 --output_dir=results/frame_bounds
  python scripts/frame_bounds.py --model=alexnet --output_dir=results/alexnet_bounds

For each dense or convolutional layer, batch normalisation folded in, it prints the frame bounds:
between which factors it changes a distance. They are the extreme singular values of the matrix; of
a convolution those over all frequencies, as if the image had no border: with any padding the layer
stays below the upper one, but it may fall below the lower one. "padded" is its norm with its zero
padding, from below, by power iteration. Times the constants of activations and pooling, added up
over paths that meet, the upper bounds bound the network: no two images can get farther apart than
that many times. Layers without a known constant are named; then there is no bound.

With --adversarial_sets it measures how far apart the network does carry adversarial images and
their originals (the largest ratio), and compares their distance with the one below which the bound
proves that there is no adversarial image.

The model is a .keras file or a SavedModel that scripts/train.py or scripts/import_model.py wrote,
or, with --model, a network with random weights, whose bounds say nothing about a trained one.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_model_flag()
cli.define_network_flag()
flags.DEFINE_list(
    "image_shape",
    None,
    "with --model: height, width and channels of its images, such as 28,28,1 (default: those of "
    "the network's published weights)",
)
cli.define_num_classes_flag()
cli.define_seed_flag()
cli.define_sets_flag()
cli.define_output_flag("the results")


def main() -> None:
    """Bounds, measures, writes, prints."""
    from tfblindspots.errors import InputError
    from tfblindspots.experiments import build_network, frame_bounds_table, measure_frame_bounds

    if (FLAGS.saved_model is None) == (FLAGS.model is None):
        raise InputError("give one of --saved_model and --model.")
    model = FLAGS.saved_model
    if model is None:
        model = build_network(FLAGS.model, _image_shape(), FLAGS.num_classes, FLAGS.seed)
    results = measure_frame_bounds(
        model,
        FLAGS.output_dir,
        adversarial_sets=FLAGS.adversarial_sets,
        interface=cli.interface_from_flags(),
        allow_unsafe=FLAGS.allow_unsafe,
        progress=cli.on_terminal(),
    )
    print(frame_bounds_table(results))
    if results["bound"] is None and not results["unknown"]:
        print("The network has no bound: the product is too large for a number.")
    elif results["bound"] is None:
        print(
            f"The network has no bound: nothing is known of {', '.join(results['unknown'])}. The "
            "products above count them as 1."
        )
    else:
        print(f"The network carries no two images more than {results['bound']:.4g} times apart.")
    for name, found in results["sets"].items():
        proved = found["certificate"]
        if proved and proved["count"]:
            print(
                f"{name}: L2 distance of the adversarial images found {proved['mean_found']:.3g}, "
                f"proved to be safe {proved['mean_certified']:.3g} (means of {proved['count']}); "
                f"found over proved: median {proved['median_ratio']:.4g}, least "
                f"{proved['smallest_ratio']:.4g}."
            )
    print(f"results: {FLAGS.output_dir}")


def _image_shape() -> tuple[int, int, int] | None:
    from tfblindspots.errors import InputError

    if FLAGS.image_shape is None:
        return None
    if len(FLAGS.image_shape) != 3:
        raise InputError(
            f"--image_shape is {','.join(FLAGS.image_shape)}; expected height, width and channels, "
            "such as 28,28,1."
        )
    height, width, channels = cli.whole_numbers("image_shape")
    return height, width, channels


if __name__ == "__main__":
    cli.run(main, required=["output_dir"])
