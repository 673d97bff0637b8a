"""Files of one JSON value, read whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftcore.errors import DataError
from ftcore_runtime import strict_json
from ftcore_runtime.files import open_regular
from ftcore_runtime.textfile import codec_of

#: That of SQuAD 2.0 has 42 MB.
MAX_BYTES = 512 * 2**20


def read_json_file(path: Path, name: str, encoding: str) -> Any:  # noqa: ANN401 (any JSON)
    """The value that a file holds.

    Raises:
        DataError: the file is too large, cannot be read, or is not JSON.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"more than {MAX_BYTES // 2**20} MiB, and a file of one JSON value is read whole", where=name
            )
        with open_regular(path) as file:
            return strict_json.loads(file.readall().decode(codec_of(encoding)))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=name) from None
    except UnicodeError as error:
        raise DataError(
            f"not {encoding}: {error}", where=name, hint="set `encoding` of this source"
        ) from None
    except ValueError as error:
        raise DataError(
            f"not valid JSON: {error}", where=name, hint="for one object a line say `format: jsonl`"
        ) from None
