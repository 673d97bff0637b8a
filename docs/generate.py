"""Writes the pages of the reference that follow from the code: `python docs/generate.py`; `--check` compares them."""

from __future__ import annotations

import sys
from pathlib import Path

from generating import commands, hooks, metrics, spec_fields

REFERENCE = Path(__file__).parent / "reference"
PAGES = {
    "spec.md": spec_fields.page,
    "commands.md": commands.page,
    "hooks.md": hooks.page,
    "metrics.md": metrics.page,
}


def main() -> int:
    """Write the pages, or name those that are not current; returns the exit code."""
    code = 0
    for name, page in PAGES.items():
        path, made = REFERENCE / name, page()
        if "--check" not in sys.argv:
            path.write_text(made, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != made:
            sys.stdout.write(f"{path} is not current: python docs/generate.py\n")
            code = 1
    return code


if __name__ == "__main__":
    raise SystemExit(main())
