r"""Re-checks from disk every claim of an adversarial set: files, pixels, model, distortions.

Example:
  python scripts/verify_set.py --adversarial_set=results/sets/fc100-100-10 \
      --saved_model=results/models/fc100-100-10

The set's manifest says which images it was made of; where their name does not find them (a folder,
a .npz file), or they were scaled, give the flags that the attack was given:
  python scripts/verify_set.py --adversarial_set=results/sets/vgg --saved_model=vgg.h5 \
      --dataset=photos --image_size=224

What the model expects of its images is taken from the manifest. --saved_model=none and
--dataset=none leave out what needs them. What fails is printed by example; the exit status is 0
only if everything holds. docs/adversarial_sets.md says what is checked, and what cannot be.
"""

from typing import TYPE_CHECKING

from absl import flags

from tfblindspots import cli
from tfblindspots.errors import InputError

if TYPE_CHECKING:
    from tfblindspots.data import ImageDataset
    from tfblindspots.models import Classifier, ModelInterface

FLAGS = flags.FLAGS
NONE = "none"

cli.define_set_flag()
cli.define_saved_model_flag()
cli.define_allow_unsafe_flag()
cli.define_dataset_flags(split="that of the set", what="images that the set was made of")
cli.define_only_class_flag()
flags.DEFINE_integer(
    "spot_checks",
    300,
    "successful examples, drawn by --seed, for which nearer ones are looked for on the way to the "
    "original",
    lower_bound=0,
)
cli.define_seed_flag()
flags.DEFINE_string(
    "json",
    None,
    "file that gets what was printed, for programs to read; new or an earlier verification",
)


def main() -> None:
    """Verifies, prints."""
    from tfblindspots.experiments import (
        check_verification_path,
        verify_adversarial_set,
        write_verification,
    )

    if FLAGS.json:
        check_verification_path(FLAGS.json, FLAGS.adversarial_set)
    found = verify_adversarial_set(
        FLAGS.adversarial_set,
        load_model=None if FLAGS.saved_model == NONE else load_model,
        load_dataset=None if FLAGS.dataset == NONE else load_dataset,
        dataset=FLAGS.dataset,
        split=FLAGS.split,
        spot_checks=FLAGS.spot_checks,
        seed=FLAGS.seed,
        progress=cli.on_terminal(),
    )
    for check in found.checks:
        print(f"{check.outcome:>11}  {check.name}: {check.text}")
        for problem in check.problems:
            print(f"{'':13}{problem}")
    if FLAGS.json:
        write_verification(FLAGS.json, found)
    if not found.holds:
        raise InputError(found.verdict(FLAGS.adversarial_set))
    print(found.verdict(FLAGS.adversarial_set))


def load_model(interface: "ModelInterface") -> "Classifier":
    """What ``--saved_model`` names."""
    from tfblindspots.models import load_classifier

    return load_classifier(FLAGS.saved_model, interface=interface, allow_unsafe=FLAGS.allow_unsafe)


def load_dataset(name: str, split: str) -> "ImageDataset":
    """A dataset, as the companion flags of ``--dataset`` say."""
    from tfblindspots.data import is_at_hand

    # The set may be a stranger's: it names no file to be opened and no host to be asked.
    if FLAGS.dataset is None and not is_at_hand(name, FLAGS.data_dir):
        raise InputError(
            f"dataset '{name}' is not prepared on this machine, and on a set's word alone nothing "
            "is downloaded or opened; name the images with --dataset, or give --dataset=none."
        )
    return cli.load_dataset_from_flags(split, name)


if __name__ == "__main__":
    cli.run(main, required=["adversarial_set", "saved_model"])
