r"""Draws random examples of adversarial sets: original, difference and adversarial image.

Example:
  python scripts/plot_examples.py --adversarial_sets=results/sets/fc100-100-10 \
      --magnification=1 --output_dir=results/pictures

As in the paper's figure 5 the difference is shown 10 times as large, shifted by 128 of 255 grey
levels and clamped, so that no change is grey; where the change is far smaller than the paper's,
say a larger --magnification to see more than grey. --absolute shows its absolute value from black
on instead (figure 6). The examples are drawn at random by --seed, none is picked.

It writes a picture a set, JPEG of colour images and else PNG, and prints what each shows.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_sets_flag()
flags.DEFINE_integer("num_pictured", 6, "examples of each set", lower_bound=1)
flags.DEFINE_float("magnification", 10.0, "what the difference is multiplied by", lower_bound=1e-3)
flags.DEFINE_bool("absolute", False, "show the difference's absolute value, not shifted by 128")
cli.define_output_flag("the pictures")
cli.define_seed_flag()


def main() -> None:
    """Draws, writes, prints."""
    from tfblindspots.experiments import PicturesConfig, plot_examples

    results = plot_examples(
        FLAGS.adversarial_sets,
        PicturesConfig(
            num_examples=FLAGS.num_pictured,
            magnification=FLAGS.magnification,
            absolute=FLAGS.absolute,
            seed=FLAGS.seed,
        ),
        FLAGS.output_dir,
    )
    for picture in results["pictures"]:
        print(f"{FLAGS.output_dir}/{picture['file']}: {picture['caption']}")


if __name__ == "__main__":
    cli.run(main, required=["adversarial_sets", "output_dir"])
