"""A set is made shard by shard, whatever interrupts it, and says what is wrong with it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots import runtime
from tfblindspots.adversarial_sets import AdversarialSetWriter, read_adversarial_set
from tfblindspots.analysis import summarize_distortions
from tfblindspots.artifacts import read_json, write_json
from tfblindspots.attacks import AdversarialExamples, AttackConfig, find_adversarial_examples
from tfblindspots.attacks.batch_size import bytes_per_image
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import (
    AttackRun,
    Verification,
    make_adversarial_set,
    verify_adversarial_set,
)
from tfblindspots.experiments.attack import QUALITY_CARD
from tfblindspots.models import Classifier, predict_classes, predict_logits
from tfblindspots.reports import quality_card_markdown

MODULE = "tfblindspots.experiments.shards"


@pytest.fixture(scope="module")
def expected(
    classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> AdversarialExamples:
    """The attack on all images at once, without files."""
    return find_adversarial_examples(
        classifier, test_set.images, test_set.labels, config, indices=test_set.indices
    )


@pytest.fixture(scope="module")
def directory(
    tmp_path_factory: pytest.TempPathFactory,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
) -> Path:
    """A finished set in shards of 8."""
    path = tmp_path_factory.mktemp("sets") / "linear"
    make_adversarial_set(classifier, test_set, config, path, shard_size=8)
    return path


def test_shards_hold_what_one_run_finds(directory: Path, expected: AdversarialExamples) -> None:
    found = read_adversarial_set(directory).examples
    for name in ("label", "target", "index", "success", "prediction", "status", "original"):
        np.testing.assert_array_equal(found[name], getattr(expected, name))
    np.testing.assert_allclose(found["distortion"], expected.distortion, rtol=1e-4)
    assert len(list(directory.glob("*.tfrecord-*"))) == 4


def test_the_manifest_describes_the_set(
    directory: Path, classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> None:
    found = read_adversarial_set(directory)
    manifest = found.manifest
    assert found.source_split == "test"
    assert manifest["dataset"] == "digits"
    assert manifest["split"] == "test[:30]"
    assert manifest["num_examples"] == 30
    assert manifest["model"] == {
        "name": "linear",
        "fingerprint": classifier.fingerprint,
        "weights_fingerprint": classifier.weights_fingerprint,
    }
    assert manifest["attack"] == dataclasses.asdict(config)
    assert manifest["class_names"] == list(test_set.class_names)
    summary = manifest["summary"]
    recomputed = summarize_distortions(found.examples, summary["seconds"])
    assert summary == recomputed | {"images_per_second": summary["images_per_second"]}
    assert summary["success_rate"] == 1


def test_a_finished_set_is_not_made_again(
    directory: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{MODULE}.find_adversarial_examples", pytest.fail)
    manifest = make_adversarial_set(classifier, test_set, config, directory, shard_size=8)
    assert manifest == read_json(directory / "manifest.json")


def test_other_settings_are_refused(
    directory: Path, classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> None:
    other = dataclasses.replace(config, target="untargeted", seed=1)
    with pytest.raises(
        InputError, match=r"--target=random there, untargeted here; --seed=0 there, 1 here"
    ):
        make_adversarial_set(classifier, test_set, other, directory, shard_size=8)


def test_an_interrupted_run_is_resumed_after_its_last_shard(
    directory: Path,
    tmp_path: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def interrupted(*arguments: Any, **named: Any) -> AdversarialExamples:
        calls.append(len(arguments[1]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return find_adversarial_examples(*arguments, **named)

    monkeypatch.setattr(f"{MODULE}.find_adversarial_examples", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_adversarial_set(classifier, test_set, config, tmp_path, shard_size=8)
    assert len(list(tmp_path.glob("[!.]*"))) == 2
    with pytest.raises(InputError, match=r"has no manifest\.json; expected a finished"):
        read_adversarial_set(tmp_path)

    other = dataclasses.replace(config, seed=1)
    with pytest.raises(InputError, match=r"\(--seed=0 there, 1 here\); repeat those"):
        make_adversarial_set(classifier, test_set, other, tmp_path, shard_size=8)

    manifest = make_adversarial_set(classifier, test_set, config, tmp_path, shard_size=8)
    assert calls == [8, 8, 8, 8, 6]
    assert manifest["shards"] == read_json(directory / "manifest.json")["shards"]
    assert manifest["summary"]["count"] == 30
    assert not list(tmp_path.glob(".*"))


def test_the_time_of_an_interrupted_run_counts(
    tmp_path: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def interrupted(*arguments: Any, **named: Any) -> AdversarialExamples:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return find_adversarial_examples(*arguments, **named)

    monkeypatch.setattr(f"{MODULE}.find_adversarial_examples", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_adversarial_set(classifier, test_set, config, tmp_path, shard_size=15)
    notes = tmp_path / ".shard-0.json"
    write_json(notes, {**read_json(notes), "seconds": 1000.0})
    manifest = make_adversarial_set(classifier, test_set, config, tmp_path, shard_size=15)
    assert 1000 < manifest["summary"]["seconds"] < 1100


def test_a_set_has_its_quality_card(directory: Path) -> None:
    manifest = read_json(directory / "manifest.json")
    card = manifest["quality_card"]
    assert card["checks"]["checked"] == manifest["summary"]["attacked"]
    assert card["warnings"] == []
    assert (directory / QUALITY_CARD).read_text(encoding="utf-8") == quality_card_markdown(manifest)


def test_a_run_is_resumed_that_was_interrupted_after_its_card(
    tmp_path: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AdversarialSetWriter, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_adversarial_set(classifier, test_set, config, tmp_path, num_examples=5)
    assert (tmp_path / QUALITY_CARD).is_file()
    manifest = make_adversarial_set(classifier, test_set, config, tmp_path, num_examples=5)
    assert (tmp_path / QUALITY_CARD).read_text(encoding="utf-8") == quality_card_markdown(manifest)


# Its state changes with every call, compiled or not.
_GENERATOR = tf.random.Generator.from_seed(0)


def rounding(images: tf.Tensor) -> tf.Tensor:
    return tf.round(16 * images) / 16


def noise(images: tf.Tensor) -> tf.Tensor:
    return images + _GENERATOR.normal(tf.shape(images), stddev=0.001)


@pytest.mark.parametrize(
    ("layer", "max_evaluations", "expected"),
    [
        # Noisy starts may stumble over a boundary that no gradient leads to.
        (rounding, None, {"zero_gradients": "all", "not_found": "some"}),
        (noise, None, {"not_deterministic": "all"}),
        (tf.identity, 10, {"evaluation_limit": "some"}),
    ],
)
def test_a_card_warns_of_what_is_wrong(
    tmp_path: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    layer: Callable[[tf.Tensor], tf.Tensor],
    max_evaluations: int | None,
    expected: dict[str, str],
) -> None:
    """A fault in the model, or a limit too small, put in by hand."""
    faulty = dataclasses.replace(classifier, logits=lambda images: classifier.logits(layer(images)))
    limited = dataclasses.replace(config, max_evaluations=max_evaluations)
    manifest = make_adversarial_set(faulty, test_set, limited, tmp_path, num_examples=20)
    found = {warning["id"]: warning for warning in manifest["quality_card"]["warnings"]}
    attacked = manifest["summary"]["attacked"]
    for name, how_many in expected.items():
        assert found[name]["of"] == attacked
        assert found[name]["count"] == attacked or how_many == "some"


def test_images_of_the_target_class_are_left_out(
    tmp_path: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    predictions = predict_classes(classifier, test_set.images)
    there = (test_set.labels == 3) | (predictions == 3)
    assert 0 < there.sum() < 30
    aimed = dataclasses.replace(config, target="3")
    with caplog.at_level("INFO", logger="absl"):
        make_adversarial_set(classifier, test_set, aimed, tmp_path / "set")
    found = read_adversarial_set(tmp_path / "set").examples
    np.testing.assert_array_equal(found["index"], test_set.indices[~there])
    assert (found["target"] == 3).all()
    assert caplog.messages == [
        f"Left out {there.sum()} of 30 images whose true or predicted class is the target 3."
    ]


def test_a_target_that_leaves_no_image_is_refused(
    tmp_path: Path, classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> None:
    label = int(test_set.labels[0])
    aimed = dataclasses.replace(config, target=str(label))
    with pytest.raises(
        InputError, match=f"target {label} is the true or the predicted class of every image; exp"
    ):
        make_adversarial_set(classifier, test_set, aimed, tmp_path / "set", num_examples=1)
    assert not (tmp_path / "set").exists()


def test_only_the_first_images_are_attacked(
    tmp_path: Path, classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> None:
    make_adversarial_set(classifier, test_set, config, tmp_path, num_examples=5)
    found = read_adversarial_set(tmp_path).examples
    np.testing.assert_array_equal(found["index"], test_set.indices[:5])


def broken(classifier: Classifier) -> Classifier:
    """Gives NaN for every image but flat ones, so that loading would not notice."""

    def logits(images: tf.Tensor) -> tf.Tensor:
        return classifier.logits(images) + tf.math.log(-tf.reduce_sum(images, [1, 2, 3]))[:, None]

    return dataclasses.replace(classifier, logits=logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 9, 8, 1), np.float32)}, r"expects float32 \[N, 8, 8, 1\]"),
        ({"images": np.full((2, 8, 8, 1), 255, np.float32)}, r"range from 255 to 255.*divide by"),
        ({"labels": np.array([0, 10])}, "labels range from 0 to 10; model linear has the classes"),
        ({"split": "train+test"}, "mixes several splits; expected parts of one"),
    ],
)
def test_data_that_does_not_fit_leaves_nothing(
    tmp_path: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    change: dict[str, Any],
    message: str,
) -> None:
    first = {name: getattr(test_set, name)[:2] for name in ("images", "labels", "indices")}
    data = dataclasses.replace(test_set, **(first | change))
    with pytest.raises(InputError, match=message):
        make_adversarial_set(classifier, data, config, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_model_that_returns_nan_leaves_nothing(
    tmp_path: Path, classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> None:
    with pytest.raises(InputError, match="linear returns NaN for every one of 30 images; expected"):
        make_adversarial_set(broken(classifier), test_set, config, tmp_path / "set")
    assert not (tmp_path / "set").exists()


UNANSWERED = [3, 7, 20]


@pytest.fixture(scope="module")
def partly(classifier: Classifier, test_set: ImageDataset) -> Classifier:
    """Gives all NaN for two images, and NaN for the class of the label for a third."""
    marked = tf.constant(test_set.images[UNANSWERED].reshape(3, 1, -1))
    lost = np.ones((3, 10), bool)
    lost[2] = np.arange(10) == test_set.labels[UNANSWERED[2]]

    def logits(images: tf.Tensor) -> tf.Tensor:
        same = tf.reduce_all(tf.reshape(images, [1, -1, 64]) == marked, axis=2)  # [3, B]
        hidden = tf.reduce_any(same[:, :, None] & lost[:, None], axis=0)
        return tf.where(hidden, np.float32(np.nan), classifier.logits(images))

    return dataclasses.replace(classifier, logits=logits)


@pytest.mark.parametrize("bits", [None, 8])
def test_images_that_get_nan_are_left_alone_and_said(
    tmp_path: Path,
    classifier: Classifier,
    partly: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    expected: AdversarialExamples,
    caplog: pytest.LogCaptureFixture,
    bits: int | None,
) -> None:
    config = dataclasses.replace(config, bits=bits)
    manifest = make_adversarial_set(partly, test_set, config, tmp_path, shard_size=8)
    warned = [record.message for record in caplog.records if "NaN" in record.message]
    assert warned == [
        "model linear returns NaN for 3 of 30 images, those of index "
        f"{', '.join(map(str, test_set.indices[UNANSWERED]))}; they are not attacked and have the "
        "status not finite."
    ]
    found = read_adversarial_set(tmp_path).examples
    lost = np.isin(np.arange(30), UNANSWERED)
    np.testing.assert_array_equal(found["status"] == "not finite", lost)
    for name in ("success", "success_uint8", "evaluations", "distortion", "c"):
        assert not found[name][lost].any() or (bits == 8 and name == "distortion")
    runner_up = np.argsort(predict_logits(classifier, test_set.images[UNANSWERED[2:]]), axis=1)[0]
    label = test_set.labels[UNANSWERED[2]]
    by_the_rule = [0, 0, runner_up[-2] if runner_up[-1] == label else runner_up[-1]]
    np.testing.assert_array_equal(found["original_prediction"][lost], by_the_rule)
    if bits is None:
        np.testing.assert_array_equal(found["prediction"][lost], by_the_rule)
        np.testing.assert_array_equal(found["image"][lost], test_set.images[lost])
        # The others do not notice.
        for name in ("success", "status", "prediction", "target"):
            np.testing.assert_array_equal(found[name][~lost], getattr(expected, name)[~lost])
    summary = manifest["summary"]
    right = predict_classes(classifier, test_set.images) == test_set.labels
    assert summary["statuses"]["not finite"] == 3
    assert summary["attacked"] == np.count_nonzero(right & ~lost)
    warnings = {warning["id"]: warning for warning in manifest["quality_card"]["warnings"]}
    assert (warnings["not_finite_images"]["count"], warnings["not_finite_images"]["of"]) == (3, 30)
    assert not {"not_finite_searches", "not_finite_logits"} & warnings.keys()

    def verify(model: Classifier) -> Verification:
        return verify_adversarial_set(
            tmp_path,
            load_model=lambda interface: model,
            load_dataset=lambda name, split: test_set,
        )

    assert verify(partly).holds, verify(partly).checks
    (predictions,) = [check for check in verify(classifier).checks if check.name == "predictions"]
    assert any(
        "status is not finite after 0 evaluations; the model returns numbers" in problem
        for problem in predictions.problems
    )


def test_other_files_are_kept(
    tmp_path: Path, classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(InputError, match=r"holds other files \(mine\); name a new or empty"):
        make_adversarial_set(classifier, test_set, config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_batch_size_is_chosen_once_and_recorded(
    tmp_path: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auto = dataclasses.replace(config, batch_size="auto")
    cost = bytes_per_image(classifier, auto)
    monkeypatch.setattr(runtime, "free_memory", lambda: 20 * cost)
    run = AttackRun(classifier, test_set, auto, tmp_path, shard_size=8)
    assert run.make_part(range(1)) == [1, 2, 3]
    monkeypatch.setattr(runtime, "free_memory", lambda: 10 * cost)
    manifest = run.complete()
    assert manifest["flags"]["batch_size"] == "auto"
    assert manifest["attack"]["batch_size"] == "auto"
    assert manifest["batch_size"] == 12
