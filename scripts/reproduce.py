r"""Reproduces the paper's experiments on a dataset, and reports beside its numbers.

Example:
  python scripts/reproduce.py --dataset=digits --output_dir=results/digits

E1, E2, E4 train the paper's six networks, find the minimum-distortion adversarial example of every
training image for each of them, towards a random class and untargeted, and feed each network's set
to the others. E3 trains networks on disjoint halves and carries the sets of test images over. E5
compares a layer's units with random directions. E6 bounds how far layers carry images apart, and
penalises that in training. E7 feeds a network its own adversarial examples in training, and
compares that with weight decay and dropout.

The report states for each claim of the paper whether it holds here, and has every table and figure.
Each experiment's directory gets its networks (saved_models), its sets (adversarial_sets) and all
numbers (results.json). An interrupted run is resumed by the same command; what is finished is kept.

The same on MNIST: --dataset=mnist. Its sets take 6.5 GB on disk; --num_examples=5000
--num_seeds=1 is a quick look.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_dataset_flags(what="images, with the splits train and test")
flags.DEFINE_list("experiments", None, "E1,E2,E3,E4,E5,E6,E7 or some of them (default: all)")
flags.DEFINE_list("models", None, "networks of E1, E2 and E4 (default: the paper's six)")
flags.DEFINE_integer(
    "num_seeds", 5, "runs of the experiments that are repeated (E3, E6, E7)", lower_bound=1
)
cli.define_amplification_flag(
    "E3: distortion of the amplified sets (default: 0.1; digits need 0.2)"
)
cli.define_attack_size_flags()
cli.define_output_flag("networks, sets and report")
cli.define_seed_flag()
cli.define_deterministic_flag()


def main() -> None:
    """Reproduces, reports, prints the report's path."""
    from tfblindspots.experiments import (
        EXPERIMENTS,
        LARGEST_SHARD,
        NETWORKS,
        ReproductionConfig,
        reproduce,
    )

    report = reproduce(
        ReproductionConfig(
            experiments=tuple(FLAGS.experiments or EXPERIMENTS),
            models=tuple(FLAGS.models or NETWORKS),
            seed=FLAGS.seed,
            num_seeds=FLAGS.num_seeds,
            amplify_to=FLAGS.amplify_to or 0.1,
            num_examples=FLAGS.num_examples,
            shard_size=FLAGS.shard_size or LARGEST_SHARD,
        ),
        cli.load_dataset_from_flags,
        FLAGS.output_dir,
        progress=cli.on_terminal(),
    )
    print(f"report: {report}")


if __name__ == "__main__":
    cli.run(main, required=["dataset", "output_dir"])
