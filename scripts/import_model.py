r"""Makes a SavedModel of a network's definition and trained weights, for all other scripts.

Example:
  python scripts/import_model.py --model=squeezenet --weights=PATH/squeezenet_v1_0.npz \
      --dataset=PATH/imagenet_sample/1.0.0 --split=validation \
      --output_dir=results/models/squeezenet

The network takes RGB images in [0, 1]; what it expects instead (BGR, another range, less a mean) is
computed inside it. docs/imagenet.md tells which files of weights fit, how to convert those that do
not, and what AlexNet's variants are.

With --dataset it prints the top-1 and top-5 errors with exact 95 % confidence intervals. Images are
scaled and cropped to the size of the network, as --image_size and --short_side say elsewhere.

A whole model of your own (SavedModel, .keras) needs no import.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_network_flag()
flags.DEFINE_string("weights", None, "trained weights: .npz, .h5 or .weights.h5")
flags.DEFINE_enum(
    "weights_layout",
    "keras",
    ["keras", "channels_first"],
    "of a .npz: keras (kernels [height, width, in, out], dense [in, out]) or channels_first, that "
    "of Caffe and PyTorch (kernels [out, in, height, width], dense [out, in])",
)
cli.define_num_classes_flag()
cli.define_dataset_flags(split="test", what="images to measure the network on (default: none)")
cli.define_output_flag("the SavedModel")


def main() -> None:
    """Imports, measures, prints."""
    from tfblindspots.data import load_dataset
    from tfblindspots.experiments import ImportConfig, image_size, import_model
    from tfblindspots.reports import formatting

    config = ImportConfig(
        model=FLAGS.model,
        image_size=cli.image_size_from_flags(),
        num_classes=FLAGS.num_classes,
        layout=FLAGS.weights_layout,
    )
    test_set = None
    if FLAGS.dataset:
        test_set = load_dataset(
            FLAGS.dataset,
            FLAGS.split or "test",
            FLAGS.data_dir,
            image_size=image_size(config),
            short_side=FLAGS.short_side,
        )
    manifest = import_model(config, FLAGS.weights, FLAGS.output_dir, test_set)
    height, width, channels = manifest["image_shape"]
    print(
        f"{manifest['title']}: images {height}x{width}x{channels}, {manifest['num_classes']} "
        "classes"
    )
    if test_set is not None:
        print(formatting.error_line("top-1", manifest["test_error"]))
        print(formatting.error_line("top-5", manifest["top5_error"]))
    print(f"SavedModel: {FLAGS.output_dir}")


if __name__ == "__main__":
    cli.run(main, required=["model", "weights", "output_dir"])
