"""Writes an adversarial set shard by shard, so that a run that is cut short can be finished."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfblindspots.adversarial_sets.checks import check_examples
from tfblindspots.adversarial_sets.integrity import shard_problem
from tfblindspots.adversarial_sets.layout import METADATA_FILES, Layout
from tfblindspots.adversarial_sets.reader import read_shards
from tfblindspots.adversarial_sets.schema import FIELDS, KIND, SCHEMA
from tfblindspots.adversarial_sets.serialization import serialize_examples
from tfblindspots.artifacts import (
    MANIFEST,
    atomic_path,
    fingerprint_path,
    prepare_output_directory,
    read_json,
    synchronize,
    write_json,
)
from tfblindspots.errors import InputError

# Says, until the manifest does, how the shards that are already there are laid out.
_LAYOUT = ".layout.json"


class AdversarialSetWriter:
    """Writes the shards of an adversarial set, then what makes it one.

    A shard is complete or absent. A directory is unfinished until ``finish`` has written its
    manifest; a writer made for it anew, with the same arguments, knows which shards are missing.

    Example::

        writer = AdversarialSetWriter(directory, image_shape=(28, 28, 1), class_names=names, ...)
        for shard in writer.missing_shards():
            first, last = writer.shard_range(shard)
            writer.write_shard(shard, make_examples(first, last))
        writer.finish(build_manifest("adversarial_set", ...))
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        image_shape: Sequence[int],
        class_names: Sequence[str],
        source_split: str,
        num_examples: int,
        shard_size: int,
        clean: bool = True,
    ):
        """Makes the directory, or takes up what an earlier writer has left there.

        Args:
          directory: new, empty, or holding an unfinished set of the same layout. Hidden files in it
            are left alone.
          image_shape: height, width and channels.
          class_names: names of the classes, by number.
          source_split: the split that the images come from, such as ``"train"``; the set's split
            bears its name.
          num_examples: examples in the whole set, at least 1.
          shard_size: examples in a shard, at least 1; the last shard may hold fewer.
          clean: remove the temporary files of a writer that was killed; not where another writer
            may be at work on other shards.

        Raises:
          InputError: an argument is out of its range; the directory cannot be written, holds other
            files, a finished set, or shards of another layout.
        """
        self._layout = Layout(
            image_shape=tuple(map(int, image_shape)),  # type: ignore[arg-type] # checked there
            class_names=tuple(map(str, class_names)),
            source_split=source_split,
            num_examples=int(num_examples),
            shard_size=int(shard_size),
        )
        self._directory = Path(directory)
        require_no_finished_result(directory)
        allowed = [".*"]
        if (self._directory / _LAYOUT).exists():
            self._require_same_layout()
            # What was written last by a process that was killed before the manifest.
            allowed += [self._layout.shard_pattern, *METADATA_FILES, "quality_card.md"]
        prepare_output_directory(directory, allowed, clean=clean)

    @property
    def num_shards(self) -> int:
        """The number of shards of the whole set."""
        return self._layout.num_shards

    def missing_shards(self) -> list[int]:
        """The numbers of the shards that are not there yet, ascending from 0."""
        paths = self._layout.shard_paths(self._directory)
        return [shard for shard, path in enumerate(paths) if not path.exists()]

    def shard_range(self, shard: int) -> tuple[int, int]:
        """The positions ``first:last`` (a slice) of a shard's examples in the set."""
        return self._layout.shard_range(shard)

    def shard_path(self, shard: int) -> Path:
        """Where a shard is, or will be."""
        return self._layout.shard_paths(self._directory)[shard]

    def write_shard(
        self,
        shard: int,
        examples: Mapping[str, np.ndarray],
        written: Callable[[Path], object] = lambda path: None,
    ) -> None:
        """Writes one shard. It appears under its name only when it is complete.

        Args:
          shard: its number.
          examples: for each of ``FIELDS`` an array of the examples at ``shard_range(shard)``:
            images float32 [N, H, W, C] in [0, 1] or uint8, text [N], and int64 or float32 [N].
          written: called with the path of the complete file, before that has its name.

        Raises:
          InputError: the examples do not fit the schema.
        """
        first, last = self.shard_range(shard)
        layout = self._layout
        check_examples(examples, layout.image_shape, len(layout.class_names), last - first)
        if not (self._directory / _LAYOUT).exists():
            write_json(self._directory / _LAYOUT, layout.to_manifest())
        # Stored in the schema's order, whatever order they come in.
        ordered = {field.name: examples[field.name] for field in FIELDS}
        with atomic_path(self.shard_path(shard)) as temporary:
            with tf.io.TFRecordWriter(os.fspath(temporary)) as records:
                for record in serialize_examples(ordered):
                    records.write(record)
            written(temporary)

    def read_fields(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some fields of the whole set, of which no shard is missing.

        Args:
          names: of ``FIELDS``.

        Returns:
          As `read_shards`.

        Raises:
          InputError: a shard is truncated or damaged, or holds something else.
        """
        paths = self._layout.shard_paths(self._directory)
        try:
            return read_shards(paths, self._layout, SCHEMA, names)
        except InputError:
            for path in paths:
                problem = shard_problem(path, self._layout)
                if problem:
                    raise InputError(
                        f"{path} {problem}. Delete it, or copy it again where it came from "
                        "elsewhere, and run the same command again."
                    ) from None
            raise

    def finish(
        self, manifest: Mapping[str, Any], fingerprints: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Makes the directory a set: writes the metadata of TFDS and, last, the manifest.

        Args:
          manifest: what `build_manifest` returned for kind ``"adversarial_set"``.
          fingerprints: SHA-256 of each shard by name, where they were just computed.

        Returns:
          The manifest as written: besides what was given ``image_shape``, ``class_names``,
          ``source_split``, ``num_examples``, ``shard_size``, and the SHA-256 of each file by name:
          ``shards``, and ``files``, whatever else is there, such as what TFDS reads.

        Raises:
          InputError: shards are missing, or the manifest is of another kind.
        """
        missing = self.missing_shards()
        if missing:
            raise InputError(
                f"{self._directory} lacks {len(missing)} of {self.num_shards} shards "
                f"(first: {missing[0]}); write them before the set is finished."
            )
        if manifest.get("kind") != KIND:
            raise InputError(f"the manifest is of kind {manifest.get('kind')}; expected {KIND}.")
        self._layout.write_tfds_metadata(self._directory)
        shards = self._layout.shard_paths(self._directory)
        others = [
            path
            for path in sorted(self._directory.glob("[!.]*"))
            if path not in shards and path.name != MANIFEST
        ]
        for path in others:
            synchronize(path)  # before the manifest says that they are there
        complete = {
            **manifest,
            "schema": SCHEMA,
            **self._layout.to_manifest(),
            "shards": dict(fingerprints or {path.name: fingerprint_path(path) for path in shards}),
            "files": {path.name: fingerprint_path(path) for path in others},
        }
        write_json(self._directory / MANIFEST, complete)
        (self._directory / _LAYOUT).unlink(missing_ok=True)
        return complete

    def _require_same_layout(self) -> None:
        path = self._directory / _LAYOUT
        found = Layout.from_manifest(read_json(path), path).to_manifest()
        for name, value in self._layout.to_manifest().items():
            if found[name] != value:
                raise InputError(
                    f"output_dir {self._directory} holds an unfinished {KIND} whose {name} is "
                    f"{found[name]}, not {value}; repeat that or name a new directory."
                )


def require_no_finished_result(directory: str | os.PathLike[str]) -> None:
    """Raises an ``InputError`` where a directory holds a finished result of any kind."""
    if (Path(directory) / MANIFEST).exists():
        raise InputError(
            f"output_dir {directory} holds a finished result; name a new or empty directory."
        )
