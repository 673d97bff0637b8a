"""The schemas beside the shipped task files, which editors read, are what `ftcore schema` prints."""

from __future__ import annotations

import json
import re

import pytest

from ftcore.catalog import TaskFile, task_files
from ftcore.cli import main


@pytest.mark.parametrize("file", task_files(), ids=lambda file: file.name)
def test_editor_line_leads_to_the_schema_of_the_task(
    file: TaskFile, capsys: pytest.CaptureFixture[str]
) -> None:
    line = re.search(r"^# yaml-language-server: \$schema=(\S+)$", file.path.read_text(), flags=re.MULTILINE)
    assert line, "no editor line"
    schema = json.loads((file.path.parent / line[1]).read_text())
    assert main(["schema", file.task]) == 0
    assert schema == json.loads(capsys.readouterr().out), (
        f"write it with: ftcore schema {file.task} > {line[1]}"
    )
