r"""Measures robust accuracy: the share of images that no change up to a radius was found to turn.

Example:
  python scripts/robust_accuracy.py \
      --adversarial_sets=results/untargeted/fc100-100-10,results/untargeted/fc10-1e-2 \
      --output_dir=results/robust_accuracy

It prints the accuracy at a few radii, a column an adversarial set. robust_accuracy.json has it at
every radius (each image falls at the L2 distance of its adversarial image), robust_accuracy.png
shows it. Radii are L2 norms in units of the pixel range.

An attack gives an upper bound: nearer adversarial images may exist. A range such as 70.1 % to
72.5 % means that some searches ended without convergence, most often at --max_evaluations: its
lower end counts their images as fallen at every radius above 0.

Make the sets with scripts/attack.py --target=untargeted; a target bounds the accuracy less tightly.
All sets on one plot must come from the same images.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_sets_flag()
cli.define_output_flag("the curves")


def main() -> None:
    """Measures, writes, prints."""
    from tfblindspots.experiments import measure_robust_accuracy, robust_accuracy_table

    results = measure_robust_accuracy(
        FLAGS.adversarial_sets, FLAGS.output_dir, progress=cli.on_terminal()
    )
    print(robust_accuracy_table(results), end="")
    print("\nAn attack gives an upper bound: nearer adversarial images may exist.")
    for curve in results["curves"]:
        if curve["target"] not in (None, "untargeted", "all"):
            print(
                f"The attack of {curve['name']} had a target ({curve['target']}); "
                "--target=untargeted gives a tighter bound."
            )
    print(f"results: {FLAGS.output_dir}/robust_accuracy.json")
    print(f"plot: {FLAGS.output_dir}/robust_accuracy.png")


if __name__ == "__main__":
    cli.run(main, required=["adversarial_sets", "output_dir"])
