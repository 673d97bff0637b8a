"""The section `export` of a spec: what no bundle could be made by is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ftcore.cli import main
from ftcore.spec.export import PruneSpec


@pytest.mark.parametrize("script", ["Latin", "han", "CJK", "Hangul", "cyrillic"])
def test_scripts_are_those_of_unicode(script: str) -> None:
    assert PruneSpec(scripts=[script]).scripts == [script]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("Cyrilic", "Unicode has no script 'Cyrilic' (did you mean Cyrillic)"),
        ("Qqqqqq", "Unicode has no script 'Qqqqqq' (languages are none: Chinese is Han)"),
    ],
)
def test_other_scripts_are_refused(script: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PruneSpec(scripts=["Latin", script])
    assert said in str(caught.value)


def test_a_script_that_is_none_is_an_error_of_the_spec(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = str(project / "spec.yaml")
    assert main(["validate", spec, "--set", "export.prune_vocab.scripts=[Klingon]"]) == 2
    assert "no script 'Klingon'" in capsys.readouterr().err
