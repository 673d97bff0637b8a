"""Imports of much: the collector rests meanwhile, and what the program has imported is not looked through again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ftcore.imports import imported_meanwhile


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
        "for _ in range(2):\n"
        "    with uncollected():\n"
        "        import wave\n"
        "        made = [[] for _ in range(1000)]\n"
        "    frozen = gc.get_freeze_count() - before\n"
        "    before += frozen\n"
        "    print(gc.isenabled(), frozen >= 1000)\n"
    )
    # The second time nothing is new to the process but what it has worked with, which may become garbage.
    assert found.split() == ["True", "True", "True", "False"]


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("ftcore.runs.workspace", "launch.open_workspace(None, None, launch.Silent()).__enter__()"),
        ("ftcore.runs.suggest", "suggest.run(Namespace(count=1, output=None, format='jsonl'))"),
    ],
)
def test_the_collector_rests_where_a_run_is_opened(module: str, call: str) -> None:
    found = _python(
        "import gc, sys\n"
        "from argparse import Namespace\n"
        "from ftcore.cli import suggest\n"
        "from ftcore.runs import launch\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            print(gc.isenabled())\n"
        "            sys.stdout.flush()\n"
        "            import os; os._exit(0)\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"{call}\n"
    )
    assert found == "False"


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


def test_what_is_imported_meanwhile_is_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.2)\nfound = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    with imported_meanwhile("slow_to_import", "nowhere_to_be_found"):
        assert "found" not in vars(sys.modules.get("slow_to_import", object)), "the body does not wait"
    assert sys.modules.pop("slow_to_import").found == 42
