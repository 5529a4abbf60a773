r"""Compares a layer's units with random directions, by the images that maximise each (E5).

Example:
  python scripts/inspect_units.py --saved_model=saved_models/digits/fc100-100-10 --layer=hidden_1 \
      --dataset=digits --split=test --output_dir=results/units

For each unit and each random direction of the layer's activation space it takes the images farthest
along it, and measures how alike they are: purity and entropy of their labels, and the mean cosine
similarity of all pairs, in pixels and (with --reference_model) in another model's features. A
permutation test says whether units differ from random directions, drawn as they are or after
whitening.

The model is a .keras or .h5 file, or a SavedModel with the signature activations, as
scripts/train.py writes it.

It prints a table. The directory gets results.json, the rows of images as units.png,
random_directions.png and whitened_directions.png, and all distributions as coherence.png.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_model_flag()
flags.DEFINE_string("layer", None, "name of the layer; a wrong one lists those that there are")
cli.define_dataset_flags(split="test", what="images; better none that the model was trained on")
flags.DEFINE_list("units", None, "numbers of the units, such as 3,14 (default: drawn at random)")
flags.DEFINE_integer("num_units", 100, "units to draw, at most all of them", lower_bound=2)
flags.DEFINE_integer("num_directions", 1000, "random directions of each kind", lower_bound=2)
flags.DEFINE_integer("top", 8, "images a unit or direction", lower_bound=2)
flags.DEFINE_string(
    "reference_model", None, "another model, trained apart, in whose features images are compared"
)
flags.DEFINE_string("reference_layer", None, "the layer of --reference_model that gives them")
cli.define_output_flag("pictures and results")
cli.define_seed_flag()


def main() -> None:
    """Inspects, writes, prints."""
    from tfblindspots.errors import InputError
    from tfblindspots.experiments import UnitsConfig, coherence_table, inspect_units

    if (FLAGS.reference_model is None) != (FLAGS.reference_layer is None):
        raise InputError("--reference_model and --reference_layer go together; give both or none.")
    units = None if FLAGS.units is None else tuple(cli.whole_numbers("units"))
    results = inspect_units(
        FLAGS.saved_model,
        cli.load_dataset_from_flags(FLAGS.split or "test"),
        UnitsConfig(
            layer=FLAGS.layer,
            units=units,
            num_units=FLAGS.num_units,
            num_directions=FLAGS.num_directions,
            top=FLAGS.top,
            seed=FLAGS.seed,
        ),
        FLAGS.output_dir,
        interface=cli.interface_from_flags(),
        allow_unsafe=FLAGS.allow_unsafe,
        reference=(FLAGS.reference_model, FLAGS.reference_layer) if FLAGS.reference_model else None,
        progress=cli.on_terminal(),
    )
    print(coherence_table(results), end="")
    print(f"\nresults: {FLAGS.output_dir}")


if __name__ == "__main__":
    cli.run(main, required=["saved_model", "layer", "dataset", "output_dir"])
