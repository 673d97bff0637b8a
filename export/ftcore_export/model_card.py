"""README.md of a bundle: what it is, what it was measured at, and how to use it, all from its manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ftcore_export.model_index import front_matter
from ftcore_runtime.manifest import Manifest

_CLASSES = 20  # in the table of labels


def model_card(manifest: Manifest) -> str:
    """The model card, as Markdown. Every figure in it is the manifest's."""
    longer = "cut" if manifest.make_decoder().cuts else "read in windows"
    lines = [
        *front_matter(manifest),
        "",
        f"# {_cell(manifest.name)}",
        "",
        f"A bundle for the task `{_cell(manifest.task)}` (family `{_cell(manifest.family)}`),"
        f" made {manifest.created}.",
        f"It reads {manifest.encoder.max_length} tokens at a time; longer inputs are {longer}.",
        "",
    ]
    if labels := manifest.decoder.get("labels"):
        lines += ["Labels: " + ", ".join(f"`{_cell(label)}`" for label in labels), ""]
    for split, measured in manifest.metrics.get("splits", {}).items():
        lines += [
            f"## Measured on {_cell(split)} ({measured['rows']} rows)",
            "",
            *_metrics(manifest, measured["metrics"]),
            "",
            *_trust(manifest, measured),
        ]
        if zero_shot := measured.get("zero_shot"):
            lines += ["The base model, zero-shot:", "", *_metrics(manifest, zero_shot["metrics"]), ""]
            lines += ["What training gained:", "", *_metrics(manifest, zero_shot["gain"]), ""]
        if samples := measured.get("samples"):
            lines += [f"Samples of {_cell(split)}:", "", *_samples(samples), ""]
    lines += ["## Variants", "", *_variants(manifest), "", "## Use", "", *_use(manifest), ""]
    lines += ["## Provenance", "", *_provenance(manifest.provenance), ""]
    return "\n".join(lines)


def _metrics(manifest: Manifest, metrics: Mapping[str, Any]) -> Iterator[str]:
    confidence = manifest.metrics.get("confidence")
    yield f"| metric | value | {confidence:.0%} interval |" if confidence else "| metric | value | interval |"
    yield "| --- | --- | --- |"
    for name, metric in metrics.items():
        interval = f"{metric['low']:.4f} to {metric['high']:.4f}" if metric.get("low") is not None else ""
        yield f"| {_cell(name)} | {metric['value']:.4f} | {interval} |"


def _trust(manifest: Manifest, measured: Mapping[str, Any]) -> Iterator[str]:
    """What the figures are worth: the verdict, doubts, weak labels, and what changes of a text do."""
    verdict = manifest.metrics.get("verdict")
    if verdict and "baselines" in measured:
        yield from (f"{_cell(verdict['text'])}.", "")
    if (folds := manifest.metrics.get("cross_validation")) and "baselines" in measured:
        yield f"Out of fold, by {folds['folds']} models of the same recipe ({folds['rows']} rows):"
        yield from ("", *_metrics(manifest, folds["metrics"]), "")
    if ranking := measured.get("ranking"):
        yield from (f"Scores: {_cell(ranking)}.", "")
    for warning in measured.get("warnings", []):
        yield from (f"Warning: {_cell(warning)}.", "")
    if classes := sorted(measured.get("classes", []), key=lambda one: (one["f1"], one["label"])):
        left = len(classes) - _CLASSES
        yield f"Each label, the lowest F1 first{f' ({left} more are left out)' if left > 0 else ''}:"
        yield from (
            "",
            _row(["label", "rows", "precision", "recall", "F1"]),
            "| --- | --- | --- | --- | --- |",
        )
        for one in classes[:_CLASSES]:
            figures = [f"{one[name]:.3f}" for name in ("precision", "recall", "f1")]
            yield _row([_cell(one["label"]), str(one["support"]), *figures])
        yield ""
    if checks := measured.get("invariance"):
        yield from ("Answers that stay where the text changes:", "")
        yield from (_row(["change", "rows", "stay", "wanted"]), "| --- | --- | --- | --- |")
        for one in checks:
            same = f"{one['same']['value']:.4f}" if one["same"] else "no rows"
            yield _row([_cell(one["check"]), str(one["rows"]), same, f"{one['at_least']:.4f}"])
        yield ""


def _samples(samples: Sequence[Mapping[str, str]]) -> Iterator[str]:
    header = [*samples[0]]
    yield _row(header)
    yield _row(["---"] * len(header))
    for sample in samples:
        yield _row([_cell(sample.get(name, "")) for name in header])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _variants(manifest: Manifest) -> Iterator[str]:
    metric = manifest.provenance.get("metric", "metric")
    export = manifest.provenance.get("export") or {}
    kept = {name: variant.to_json() for name, variant in manifest.variants.items()}
    yield (
        f"| variant | MB | test {_cell(metric)} | rows compared with torch | largest difference | answers that change |"
        " ties | p50 ms | p95 ms | rows/s | same in any batch | |"
    )
    yield "|" + " --- |" * 12
    for name, found in {**kept, **export.get("left_out", {})}.items():
        parity, speed = found["parity"], found["speed"]
        value = found["metrics"].get("metrics", {}).get(metric, {}).get("value", "")
        invariant = {True: "yes", False: "no", None: ""}[found["batch_invariant"]]
        figures = [
            f"{found['bytes'] / 1e6:.1f}",
            value,
            *(parity.get(key, "") for key in ("rows", "max_abs_diff", "flips", "ties")),
            *(speed.get(key, "") for key in ("p50_ms", "p95_ms", "rows_per_second")),
            invariant,
            _cell("; ".join([*([] if name in kept else ["not in the bundle"]), *found["failures"]])),
        ]
        cells = " | ".join(
            f"{figure:.4g}" if isinstance(figure, float) else str(figure) for figure in figures
        )
        shown = f"**{_cell(name)}**" if name == manifest.default_variant else _cell(name)
        yield f"| {shown} | {cells} |"
    yield from _teacher_comparison(export.get("ladder") or [], metric)
    for name, why in export.get("skipped", {}).items():
        yield f"\n{_cell(name)} was not made: {_cell(why)}."


def _teacher_comparison(rows: Sequence[Mapping[str, Any]], metric: str) -> Iterator[str]:
    """The teacher that the model learnt from, and what became of it."""
    if not rows:
        return
    yield ""
    yield "It learnt from a teacher as well as from labels:"
    yield ""
    yield f"| model | variant | MB | test {_cell(metric)} | p50 ms | rows/s |"
    yield "|" + " --- |" * 6
    for row in rows:
        value, speed = row["test"]["metrics"][metric]["value"], row["speed"] or {}
        taken = [f"{speed[key]:.4g}" if key in speed else "" for key in ("p50_ms", "rows_per_second")]
        cells = [_cell(row["model"]), _cell(row["variant"]), f"{row['bytes'] / 1e6:.1f}", f"{value:.4f}"]
        yield f"| {' | '.join([*cells, *taken])} |"


def _use(manifest: Manifest) -> Iterator[str]:
    yield "```python"
    extra = (
        "" if manifest.provider is None or manifest.provider.shipped else f" {manifest.provider.requirement}"
    )
    yield f"from ftcore_runtime import Pipeline  # pip install ftcore[serve]{extra}"
    yield ""
    yield 'pipeline = Pipeline.load("path/to/this/folder")'
    decoder = manifest.make_decoder()
    if decoder.required == 1:
        yield 'pipeline.predict(["a text", "another"])'
    else:
        texts = ", ".join(f'"{field}": "..."' for field in decoder.fields[: decoder.required])
        yield f"pipeline.predict([{{{texts}}}])"
    yield "```"


def _provenance(provenance: Mapping[str, Any]) -> Iterator[str]:
    for key, value in provenance.items():
        if isinstance(value, (str, int, float)):
            yield f"- {_cell(key)}: {_cell(value)}"
    for what, licence in (provenance.get("licenses") or {}).items():
        yield f"- licence of {_cell(what.replace('_', ' '))}: {_cell(licence or 'not stated')}"
    for entry in provenance.get("data") or []:
        yield (
            f"- data of {_cell(entry['split'])}: {_cell(entry['source'])}, {entry['rows_kept']} rows,"
            f" SHA-256 {_cell(entry['sha256'])}"
        )


def _cell(value: object) -> str:
    """Text that cannot break out of its line or table cell."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
