"""Reading a small file that somebody may replace at any time, by anything."""

import os
import stat

from callerid.options import PathLike

__all__ = ["MAX_DOCUMENT_BYTES", "read_file", "read_file_and_change", "why_unread"]

MAX_DOCUMENT_BYTES = 256 * 1024  # of keys, whether they come from a file or not


def read_file(path: PathLike, most: int) -> bytes:
    """What a regular file of at most `most` bytes holds. A pipe in its place, which would never end, is not opened for long.

    Raises:
        OSError: for a file that cannot be read.
        ValueError: for one that is too large, or no regular file.
    """
    return read_file_and_change(path, most)[0]


def read_file_and_change(path: PathLike, most: int) -> tuple[bytes, float]:
    """The same, and when the file has last changed, by its file system's clock: written into, renamed, or made another's.

    Raises:
        OSError, ValueError: as `read_file`.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(most + 1)
        changed_at = os.fstat(file.fileno()).st_ctime  # after reading: what has been read is no newer
    if len(content) > most:
        raise ValueError(f"it holds more than {most} bytes")
    return content, changed_at


def why_unread(error: OSError | ValueError) -> str:
    """What `read_file`, or whoever made something of the content, had to say; nothing of the content."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
