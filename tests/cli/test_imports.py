"""Imports of much: the collector rests meanwhile, and what the program has imported is not looked through again."""

from __future__ import annotations

import subprocess
import sys


def test_the_collector_rests_while_much_is_imported() -> None:
    found = _python(
        "import gc\n"
        "from ftcore.imports import uncollected\n"
        "with uncollected():\n"
        "    resting = not gc.isenabled()\n"
        "    made = [[] for _ in range(1000)]\n"
        "print(resting, gc.isenabled(), gc.get_freeze_count())\n"
    )
    assert found == "True True 0"  # somebody else's process: what is there may become garbage


def test_the_program_lets_what_it_imported_be() -> None:
    found = _python(
        "import gc\n"
        "from ftcore.imports import uncollected\n"
        "gc.freeze()\n"
        "before = gc.get_freeze_count()\n"
        "with uncollected():\n"
        "    made = [[] for _ in range(1000)]\n"
        "print(gc.isenabled(), gc.get_freeze_count() >= before + 1000)\n"
    )
    assert found == "True True"


def test_who_has_switched_the_collector_off_keeps_it_off() -> None:
    found = _python(
        "import gc\n"
        "from ftcore.imports import uncollected\n"
        "gc.disable()\n"
        "with uncollected():\n"
        "    pass\n"
        "print(gc.isenabled())\n"
    )
    assert found == "False"


def test_the_program_ends_with_all_objects_frozen() -> None:
    found = _python(
        "import gc, sys\n"
        "from ftcore.__main__ import program\n"
        "sys.argv = ['ftcore', '--version']\n"
        "code = program()\n"
        "print(code, gc.get_freeze_count() > 1000, len(gc.get_objects()) < 100)\n"
    )
    assert found.splitlines()[-1] == "0 True True"


def _python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
