r"""Trains a scaled-down QuocNet: features learnt without labels, then one class against the rest.

Example:
  python scripts/train_quocnet.py --dataset=PATH/cifar10_jpeg/1.0.0 --positive_class=automobile \
      --output_dir=results/quocnet

Three stages of local filters whose weights no two positions share, L2 pooling and local contrast
normalisation are learnt by reconstruction ICA, one after the other, from images alone (Le et al.
2012). Then a logistic regression, for which both classes weigh the same, is fitted to the features
of the last stage, which stay as they are.

It prints recall, precision and balanced accuracy with 95 % confidence intervals. The directory gets
the network (saved_model), all numbers (results.json) and a picture of the first filters
(filters.png). An interrupted run is resumed by the same command, after the last complete stage.
"""

import dataclasses

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_dataset_flags(split="train", what="images to learn from and to test on")
cli.define_test_split_flag()
flags.DEFINE_list("maps", ["64", "96", "192"], "filters at each position, of the three stages")
flags.DEFINE_integer(
    "steps", 500, "steps of learning each stage's filters, of 100 images each", lower_bound=1
)
cli.define_output_flag("the network and its results")
cli.define_seed_flag()
cli.define_deterministic_flag()


def main() -> None:
    """Trains, exports, prints."""
    from tfblindspots.errors import InputError
    from tfblindspots.experiments import QuocNetConfig, train_quocnet
    from tfblindspots.models import STAGES
    from tfblindspots.reports import formatting

    maps = cli.whole_numbers("maps")
    if len(maps) != len(STAGES) or min(maps) < 1:
        raise InputError(
            f"--maps is {','.join(FLAGS.maps)}; expected {len(STAGES)} numbers of at least 1, such "
            "as 64,96,192."
        )
    stages = tuple(
        dataclasses.replace(stage, maps=number) for stage, number in zip(STAGES, maps, strict=True)
    )
    results = train_quocnet(
        QuocNetConfig(stages, FLAGS.steps, FLAGS.seed),
        cli.load_dataset_from_flags(FLAGS.split or "train"),
        cli.load_dataset_from_flags(FLAGS.test_split),
        FLAGS.output_dir,
        progress=cli.on_terminal(),
    )
    print(
        f"{results['title']}, {results['dataset']}: {results['weights']:,} weights, "
        f"{results['features']:,} features, "
        f"{formatting.duration(sum(results['seconds'].values()))}"
    )
    for name in ("train", "test"):
        print("\n".join(formatting.binary_lines(name, results[name])))
    print(f"SavedModel: {FLAGS.output_dir}/saved_model")


if __name__ == "__main__":
    cli.run(main, required=["dataset", "positive_class", "output_dir"])
