"""What of an error is the system's: a full disk, a name that is too long, a folder that may not be read.

Some libraries (safetensors, tokenizers) say so in the text of an exception of their own.
"""

from __future__ import annotations

import errno
import os
import re

#: The disk's and the system's fault: no other input would help, and no traceback.
SYSTEM = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE}
)
#: The fault of whoever named a file.
_NAMED = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST})
#: As Rust and Python write an errno.
_IN_TEXT = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")
_SHOWN = 120


def system_error(error: BaseException) -> OSError | None:
    """The error of the system that an exception is, or tells of; None where it is of another kind."""
    if isinstance(error, OSError) and error.errno in SYSTEM | _NAMED:
        return error
    if isinstance(error, OSError) and error.errno is not None:
        return None
    if not (found := _IN_TEXT.search(str(error))):
        return None
    number = int(found[1] or found[2])
    return OSError(number, os.strerror(number)) if number in SYSTEM else None


def sentence(error: OSError) -> str:
    """`FILE: what is wrong`; without the file where it is not known, and with the beginning alone of a long name."""
    name = os.fsdecode(error.filename) if error.filename else ""
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return f"{shown}: {error.strerror}" if shown else str(error.strerror)
