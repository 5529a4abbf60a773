r"""Writes the index of a folder of SavedModels: errors, minimum distortions, sizes, fingerprints.

Example:
  python scripts/index_models.py --saved_models=saved_models

The folder gets a README.md, made from the manifests of the models in it. A model that lacks its
minimum distortions, or was trained again since, is attacked first, on the test split of the data
that its manifest names: every image, or 1,000 drawn at random where it has convolutions. They are
kept beside its manifest, in assets.extra/minimum_distortion.json, and are no part of its
fingerprint.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

cli.define_models_flag("folder of SavedModels, at any depth")
cli.define_data_dir_flag()
cli.define_seed_flag()


def main() -> None:
    """Measures, writes, prints."""
    from tfblindspots.errors import InputError
    from tfblindspots.experiments import index_models

    if len(FLAGS.saved_models) != 1:
        raise InputError(
            f"--saved_models names {len(FLAGS.saved_models)} folders; expected one, with models in "
            "it."
        )
    (folder,) = FLAGS.saved_models
    entries = index_models(
        folder, data_dir=FLAGS.data_dir, seed=FLAGS.seed, progress=cli.on_terminal()
    )
    print(f"{len(entries)} models: {folder}/README.md")


if __name__ == "__main__":
    cli.run(main, required=["saved_models"])
