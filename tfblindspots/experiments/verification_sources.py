"""The model and the dataset that a set names: whether what is at hand are these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tfblindspots.adversarial_sets import Layout
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.models import Classifier, ModelInterface

HOLDS, FAILS = "holds", "fails"
UNCHECKED, LEFT_OUT = "not checked", "left out"

LoadModel = Callable[[ModelInterface], Classifier]
LoadDataset = Callable[[str, str], ImageDataset]


@dataclass(frozen=True)
class Check:
    """What became of one kind of claim.

    Attributes:
      name: what was checked.
      outcome: ``"holds"``; ``"fails"``; ``"not checked"``, though the set claims it; or ``"left
        out"``, since the set does not claim it or nobody asked.
      text: one line.
      problems: what is wrong, a line each.
    """

    name: str
    outcome: str
    text: str
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Escapes what a set's names could do to a terminal, such as to clear it."""
        object.__setattr__(self, "text", _printable(self.text))
        object.__setattr__(self, "problems", tuple(map(_printable, self.problems)))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def the_model(
    manifest: Mapping[str, Any], layout: Layout, load: LoadModel | None
) -> tuple[Classifier | None, Check]:
    """The set's model, None where there is none to compare with, and whether it is this one.

    Args:
      manifest: of the set.
      layout: of the set.
      load: loads the model at hand, used as the manifest says; None to leave that out.

    Raises:
      InputError: it cannot be loaded, however it is used.
    """

    def check(outcome: str, text: str) -> Check:
        return Check("model", outcome, text)

    if load is None:
        return None, check(LEFT_OUT, "as asked; so are the predictions")
    named = manifest.get("model", {})
    if "layer" in named:
        text = f"the images are outputs of {named.get('name')}'s layer {named['layer']}"
        return None, check(UNCHECKED, f"{text}, which a whole model does not take")
    try:
        interface = ModelInterface.from_settings(named.get("settings", {}))
    except InputError as error:
        return None, check(FAILS, str(error))
    try:
        model = load(interface)
    except InputError as error:
        if not _loads(load):
            raise
        text = f"the set was made for another model, {named.get('name')}: used as its settings say,"
        return None, check(FAILS, f"{text} {error}")
    if model.image_shape != layout.image_shape or model.num_classes != len(layout.class_names):
        return None, check(
            FAILS,
            f"the set was made for another model, {named.get('name')}: its images are "
            f"{list(layout.image_shape)} of {len(layout.class_names)} classes, those of "
            f"{model.name} are {list(model.image_shape)} of {model.num_classes}",
        )
    if "fingerprint" not in named:
        text = f"the set names {named.get('name')} without a fingerprint; compared with"
        return model, check(LEFT_OUT, f"{text} {model.name}")
    there, here = named["fingerprint"], model.fingerprint
    if there == here:
        return model, check(HOLDS, f"{model.name} is the one that was attacked ({here[:12]})")
    prints = f"{there[:12]} there, {here[:12]} here"
    if model.name == named.get("name"):
        return None, check(
            FAILS,
            f"{model.name} is not the one that was attacked, though of the same name ({prints}): "
            "it was trained or exported again, or is of other data",
        )
    return None, check(
        FAILS,
        f"the set was made for another model, {named.get('name')}, not {model.name} ({prints})",
    )


def _loads(load: LoadModel) -> bool:
    """Whether there is a model at all, so that only the manifest's settings do not fit it."""
    try:
        load(ModelInterface())
    except InputError:
        return False
    return True


def the_dataset(
    manifest: Mapping[str, Any],
    layout: Layout,
    load: LoadDataset | None,
    asked: tuple[str | None, str | None],
) -> tuple[ImageDataset | None, Check]:
    """The set's dataset, None where there is none to compare with, and whether it is this one.

    Args:
      manifest: of the set.
      layout: of the set.
      load: loads the dataset at hand; None to leave that out.
      asked: the name and the split to load; None for those of the manifest.

    Raises:
      InputError: what was asked for cannot be loaded.
    """

    def check(outcome: str, text: str) -> Check:
        return Check("dataset", outcome, text)

    if load is None:
        return None, check(LEFT_OUT, "as asked; so are the originals")
    name, split = manifest.get("dataset"), manifest.get("split", layout.source_split)
    to_load = asked[0] or name
    if to_load is None:
        return None, check(LEFT_OUT, "the set does not say which it was made of")
    try:
        dataset = load(to_load, asked[1] or split)
        source_split = dataset.source_split
    except InputError as error:
        if any(asked):
            raise
        return None, check(UNCHECKED, f"{name} {split} is not to be had: {error}")
    text = f"{dataset.name} {dataset.split}"
    if source_split != layout.source_split:
        return None, check(FAILS, f"the set was made of {split}, not {dataset.split}")
    shape = dataset.images.shape[1:]
    if shape != layout.image_shape:
        other = name is not None and dataset.name != name
        return None, check(
            FAILS,
            (f"the set was made of {name}, not {dataset.name}: " if other else "")
            + f"images of {dataset.name} are {list(shape)}, those of the set "
            f"{list(layout.image_shape)}"
            + ("" if other else "; give the flags that the attack was given, such as --image_size"),
        )
    there = manifest.get("inputs", {}).get("dataset", {}).get("fingerprint")
    if there is None or dataset.split != split:
        return dataset, check(LEFT_OUT, f"no fingerprint to compare {text} with")
    prints = f"{there[:12]} there, {dataset.fingerprint[:12]} here"
    if there == dataset.fingerprint:
        return dataset, check(HOLDS, f"{text} is what was attacked ({there[:12]})")
    if dataset.name != name:
        return None, check(FAILS, f"the set was made of {name}, not {dataset.name} ({prints})")
    return dataset, check(
        FAILS, f"{text} is not what was attacked ({prints}): other images, labels or flags"
    )
