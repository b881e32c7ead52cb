"""Tar archives that follow from their content alone: the same bytes for the same files, whoever makes one and when."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping


def archive_of(files: Mapping[str, bytes], folders: Iterable[str] = ()) -> bytes:
    """Files and folders in order, owned by root, of no time, which all can read.

    Args:
        files: Content by path.
        folders: Paths of folders to name too.
    """
    out, named = io.BytesIO(), set(folders)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted([*named, *files]):
            entry = tarfile.TarInfo(path)
            if path in named:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(files[path]), 0o644
                archive.addfile(entry, io.BytesIO(files[path]))
    return out.getvalue()
