r"""Reproduces the paper's experiments E1 and E2 on a dataset, and reports beside its numbers.

Example:
  python scripts/reproduce.py --dataset=digits --output_dir=results/digits

It trains the paper's six networks, finds the minimum-distortion adversarial example of every
training image for each of them, towards a random class and untargeted, feeds each network's set to
the others, and writes a report with every table and figure. The directory also gets the networks
(saved_models), the sets (adversarial_sets) and all numbers (results.json). An interrupted run is
resumed by the same command.

The same on MNIST: --dataset=mnist. Its twelve sets of 60,000 images take 4.6 GB on disk;
--num_examples=5000 is a quick look.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_dataset_flags(what="images: its split train is trained on and attacked, test measured")
flags.DEFINE_list("models", None, "networks (default: the paper's six)")
cli.define_attack_size_flags()
cli.define_output_flag("networks, sets and report")
cli.define_seed_flag()


def main() -> None:
    """Reproduces, reports, prints the report's path."""
    from tfblindspots.data import load_dataset
    from tfblindspots.experiments import NETWORKS, ReproductionConfig, reproduce

    report = reproduce(
        ReproductionConfig(
            models=tuple(FLAGS.models or NETWORKS),
            seed=FLAGS.seed,
            num_examples=FLAGS.num_examples,
            shard_size=FLAGS.shard_size,
        ),
        load_dataset(FLAGS.dataset, "train", FLAGS.data_dir),
        load_dataset(FLAGS.dataset, "test", FLAGS.data_dir),
        FLAGS.output_dir,
        progress=cli.on_terminal(),
    )
    print(f"report: {report}")


if __name__ == "__main__":
    cli.run(main, required=["dataset", "output_dir"])
