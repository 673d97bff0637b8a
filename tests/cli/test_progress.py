import io
import time

import pytest
from rich.console import Console

from ftcore.cli.progress import RunProgress, spinning


def test_a_resumed_training_counts_its_time_left_from_where_it_goes_on(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    printed = io.StringIO()
    reporter = RunProgress(Console(file=printed, width=200))
    reporter({"event": "training_started", "step": 90, "steps": 100, "rows": 800})
    now[0] += 20  # 10 s a step
    reporter({"event": "step", "step": 92, "loss": 0.5, "rows_per_second": 3.2})
    assert printed.getvalue().splitlines()[-1] == "step 92/100: loss 0.5000, 3 rows/s, 80 s left"


def test_a_terminal_shows_a_bar_with_loss_and_speed() -> None:
    shown = io.StringIO()
    reporter = RunProgress(Console(file=shown, width=200, force_terminal=True))
    try:
        reporter({"event": "training_started", "step": 0, "steps": 4, "rows": 32})
        reporter({"event": "step", "step": 1, "loss": 0.5, "rows_per_second": 3.2})
    finally:
        reporter.close()
    assert "1/4" in shown.getvalue()
    assert "loss 0.5000, 3 rows/s" in shown.getvalue()


def test_a_terminal_says_what_is_being_done_until_a_bar_shows_it() -> None:
    shown = io.StringIO()
    reporter = RunProgress(Console(file=shown, width=200, force_terminal=True))
    try:
        reporter({"event": "activity", "what": "reading [rows] with the base model"})
        assert "reading [rows] with the base model" in shown.getvalue()
        reporter({"event": "activity", "what": "starting the head"})
        assert "starting the head" in shown.getvalue()
        reporter(
            {"event": "training_started", "step": 0, "steps": 4, "rows": 32}
        )  # rich shows one live thing
    finally:
        reporter.close()
    assert "0/4" in shown.getvalue()


def test_off_a_terminal_an_activity_is_a_line() -> None:
    printed = io.StringIO()
    reporter = RunProgress(Console(file=printed, width=200))
    reporter({"event": "activity", "what": "tracing the graph"})
    reporter.close()
    assert printed.getvalue() == "tracing the graph ...\n"


def test_what_is_done_in_silence_leaves_no_line_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with spinning("looking at the rows"):
        pass
    assert capsys.readouterr() == ("", "")
