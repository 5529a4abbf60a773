r"""Writes an adversarial set as one file that Python reads without TensorFlow.

Example:
  python scripts/export_set.py --adversarial_set=results/sets/fc100-100-10 --export=npz

  import numpy as np
  examples = np.load("results/sets/fc100-100-10/examples.npz")
  examples["image"], examples["label"], examples["distortion"]

It holds an array for each field (docs/adversarial_sets.md), class_names, and manifest, the text of
manifest.json; none of it is pickled. scripts/attack.py --export=npz writes it with the set.
"""

from absl import flags

from tfblindspots import cli

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "output_file",
    None,
    "its path; new or an earlier export (default: examples.npz beside the shards)",
)
cli.define_set_flag()
cli.define_export_flag()


def main() -> None:
    """Exports, prints."""
    from tfblindspots.adversarial_sets import export_npz

    print(f"arrays: {export_npz(FLAGS.adversarial_set, FLAGS.output_file)}")


if __name__ == "__main__":
    cli.run(main, required=["adversarial_set", "export"])
