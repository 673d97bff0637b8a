"""What the output of a notebook's cell shows: a run in a few lines, and whole pages in a frame of their own."""

from __future__ import annotations

from html import escape

from ftcore.report.render import columns_of, figure, variants_of
from ftcore.report.templates import template
from ftcore.runs.folder import RunFolder


def run_cell(folder: RunFolder, status: str) -> str:
    """A run: its verdict, the figures of the test rows next to those of its baselines, and its variants."""
    record = folder.record()
    content = {"name": record["name"], "task": record["task"], "status": status, "path": str(folder.path)}
    if folder.metrics_file.exists():
        measured = folder.metrics()
        metric, test = measured["metric"], measured["splits"]["test"]
        columns = columns_of(test)
        content |= {
            "headline": f"{metric} {figure(test['metrics'].get(metric))}",
            "rows": test["rows"],
            "verdict": measured["verdict"],
            "columns": list(columns),
            "figures": [
                (name, [figure(its.get(name)) for its in columns.values()]) for name in test["metrics"]
            ],
            "metric": metric,
            "variants": variants_of(folder.exported(), metric),
        }
    return template("run_cell.html.j2").render(measured=folder.metrics_file.exists(), **content)


def framed(page: str) -> str:
    """A page in a frame that runs no script and asks nobody for anything."""
    style = "width: 100%; height: 32rem; border: 0"
    return f'<iframe sandbox srcdoc="{escape(page)}" style="{style}"></iframe>'
