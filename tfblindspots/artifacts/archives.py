"""Looks into zip archives before anything of them is read or extracted."""

import os
import stat
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from tfblindspots.errors import InputError


def check_archive(
    archive: zipfile.ZipFile, path: str | os.PathLike[str], *, in_parts: bool = False
) -> None:
    """Refuses an archive that would leave its folder, or fill the memory, when it is unpacked.

    Args:
      archive: open for reading.
      path: where it lies, for messages.
      in_parts: members that are not compressed are read in parts, and may be of any size.

    Raises:
      InputError: a member's name leads out of the folder, a member is a link, or all of them
        together are larger than this machine's memory.
    """
    for member in archive.infolist():
        if leaves_folder(member.filename):
            raise InputError(
                f"{path} has a member {member.filename!r}, which leads out of the folder that it "
                "would be extracted to; expected names inside it. Do not use this file."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(
                f"{path} has a member {member.filename!r}, which is a link; expected files. Do not "
                "use this file."
            )
    counted = (
        member
        for member in archive.infolist()
        if not (in_parts and member.compress_type == zipfile.ZIP_STORED)
    )
    size, memory = sum(member.file_size for member in counted), machine_memory()
    if memory is not None and size > memory:
        raise InputError(
            f"{path} holds {size / 1e9:,.0f} GB, more than this machine's memory, "
            f"{memory / 1e9:,.0f} GB, in a file of {Path(path).stat().st_size / 1e6:,.1f} MB; "
            "expected what fits. Use a smaller file."
        )


def leaves_folder(name: str) -> bool:
    """Whether a relative name, as an archive or a model gives it, is absolute or climbs out."""
    return any(
        form.is_absolute() or form.drive or form.root or ".." in form.parts
        for form in (PurePosixPath(name), PureWindowsPath(name))
    )


def machine_memory() -> int | None:
    """Bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
