"""What every result on disk shares: manifests, fingerprints, files that are complete or absent."""

from tfblindspots.artifacts.archives import check_archive, leaves_folder, machine_memory
from tfblindspots.artifacts.files import (
    Fingerprint,
    atomic_path,
    check_output_file,
    fingerprint_arrays,
    fingerprint_path,
    prepare_output_directory,
    read_json,
    remove_unfinished,
    synchronize,
    to_json,
    write_json,
)
from tfblindspots.artifacts.manifest import MANIFEST, SCHEMAS, build_manifest, read_manifest

__all__ = [
    "MANIFEST",
    "SCHEMAS",
    "Fingerprint",
    "atomic_path",
    "build_manifest",
    "check_archive",
    "check_output_file",
    "fingerprint_arrays",
    "fingerprint_path",
    "leaves_folder",
    "machine_memory",
    "prepare_output_directory",
    "read_json",
    "read_manifest",
    "remove_unfinished",
    "synchronize",
    "to_json",
    "write_json",
]
