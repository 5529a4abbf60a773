r"""Measures every model's error on every adversarial set, on the clean images, and on noise.

Example:
  python scripts/evaluate.py --saved_models=results/models/fc100-100-10,results/models/fc10-1e-4 \
      --adversarial_sets=results/sets/fc100-100-10 --noise_stddevs=0.1,0.3 \
      --output_dir=results/evaluation

It prints a table, a row an image set and a column a model: error rates with exact 95 % confidence
intervals (Clopper-Pearson). The directory gets the same as table.md and results.json.

The clean images are those that the sets were made of, unless --dataset (and --split) names others.
What the flags say of models and of the images that they expect holds for all of them.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_models_flag("models to measure: SavedModel directories, .keras or .h5 files, A,B,...")
cli.define_model_interface_flags()
cli.define_sets_flag()
cli.define_dataset_flags(split="test", what="clean images, instead of the sets' originals")
cli.define_only_class_flag()
flags.DEFINE_list(
    "noise_stddevs",
    [],
    "also measure on the clean images with Gaussian noise of these standard deviations, in units "
    "of the pixel range, such as 0.1,0.3",
)
cli.define_amplification_flag(
    "also measure on each set with its perturbations amplified to this distortion, such as 0.1, "
    "and clipped to [0, 1]; the table gives the distortion after clipping"
)
cli.define_output_flag("the table")
cli.define_seed_flag()


def main() -> None:
    """Evaluates, writes, prints."""
    from tfblindspots.experiments import distinct_names, error_table, evaluate_models
    from tfblindspots.models import load_classifier

    names = distinct_names(FLAGS.saved_models)
    interface = cli.interface_from_flags()
    clean = None
    if FLAGS.dataset:
        clean = cli.load_dataset_from_flags(FLAGS.split or "test")
    table = evaluate_models(
        [
            load_classifier(path, name=name, interface=interface, allow_unsafe=FLAGS.allow_unsafe)
            for path, name in zip(FLAGS.saved_models, names, strict=True)
        ],
        FLAGS.adversarial_sets,
        FLAGS.output_dir,
        clean=clean,
        noise_stddevs=cli.numbers("noise_stddevs"),
        amplify_to=FLAGS.amplify_to,
        seed=FLAGS.seed,
        progress=cli.on_terminal(),
    )
    print(error_table(table), end="")
    print(f"\nresults: {FLAGS.output_dir}")


if __name__ == "__main__":
    cli.run(main, required=["saved_models", "output_dir"])
