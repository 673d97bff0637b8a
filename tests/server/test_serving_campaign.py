"""The serving campaign in small, and schemathesis on the OpenAPI document. The whole has a command of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from serving import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
CAMPAIGN = Path(__file__).parents[2] / "benchmarks" / "serving_campaign.py"


def test_a_small_campaign_meets_its_targets(tiny_bundle: Path) -> None:
    arguments = ["--bundle", tiny_bundle, "--bodies", "2000", "--stops", "2", "--reloads", "2"]
    done = subprocess.run(
        [sys.executable, CAMPAIGN, *arguments, "--only", "bodies", "stops", "reloads"],
        capture_output=True, text=True, check=False, timeout=1700,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 10
    assert all(line["ok"] for line in lines)


#: A client that gives the server 5e-324 seconds is told 504, which is no fault of the server.
_SCHEMATHESIS = 'checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "504"]\n'


def test_schemathesis_finds_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(_SCHEMATHESIS)
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    with serving(tiny_bundle) as server:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml"),
             "run", f"{server.url}/openapi.json", "--checks", checks,
             "--max-examples", "60", "--phases", "examples,coverage,fuzzing", "--seed", "1"],
            capture_output=True, text=True, check=False, timeout=1500,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
