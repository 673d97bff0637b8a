"""What a run says at its end, within 80 columns: one headline, the verdict, what fails, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftcore.cli.console import metric_text, print_table, print_text

if TYPE_CHECKING:
    from ftcore.runs.folder import RunFolder

_CLASSES = 10  # shown unless all are asked for
_SLICES = 5
_CONFUSIONS = 5
_WORST = 10
_WIDTH = 80


def print_summary(folder: RunFolder, *, verbose: bool = False) -> None:
    """Print what a run's files say of it.

    Args:
        verbose: every metric of every split, and every class.
    """
    from ftcore.files import read_json, read_json_lines

    print_text(f"\nrun {folder.path}")
    if folder.metrics_file.exists():
        path = folder.predictions("test")
        print_measured(
            folder.metrics(), "test", read_json_lines(path) if path.exists() else (), verbose=verbose
        )
    if folder.seeds_file.exists():
        _print_seeds(read_json(folder.seeds_file))
    if (exported := folder.exported()) is not None:
        from ftcore.cli.export_table import print_export

        print_export(exported)
    if folder.report_file.exists():
        print_text(f"\nreport: {folder.report_file}")
    print_text(f"next: {_next(folder)}")


def print_measured(
    measured: Mapping[str, Any], split: str, lines: Iterable[Mapping[str, Any]], *, verbose: bool
) -> None:
    """Print the figures of a split, and the rows behind them.

    Args:
        measured: laid out like metrics.json.
        lines: of the split's predictions.
    """
    _print_metrics(measured, split, verbose=verbose)
    found = measured["splits"][split]
    if ranking := found.get("ranking"):
        print_text(f"\n{ranking}")
    _print_policy(found.get("policy"))
    _print_slices(found.get("slices", []), measured["metric"], verbose=verbose)
    _print_invariance(found.get("invariance", []), verbose=verbose)
    _print_classes(found.get("classes", []), verbose=verbose)
    _print_confusions(found.get("confusions", []))
    _print_worst(lines)
    _print_samples(found.get("samples", []))


def _print_metrics(measured: Mapping[str, Any], split: str, *, verbose: bool) -> None:
    test, metric = measured["splits"][split], measured["metric"]
    low = test["metrics"][metric].get("low")
    interval = "" if low is None else f" ({measured['confidence']:.0%} interval)"
    print_text(
        f"\n{metric} {metric_text(test['metrics'][metric])} on {test['rows']:,} {split} rows{interval}"
    )
    if verdict := measured["verdict"]:
        print_text(verdict["text"])
    if folds := measured.get("cross_validation"):
        print_text(
            f"out of fold ({folds['folds']} folds): {metric} {metric_text(folds['metrics'][metric])} on"
            f" {folds['rows']:,} rows"
        )
        if folds["verdict"]:
            print_text(f"  {folds['verdict']['text']}")
    for warning in test.get("warnings", []):
        print_text(f"warning: {warning}")
    print_text("")
    if verbose:
        for split, one in measured["splits"].items():
            if "how" in one:
                print_text(f"{split}: {one['how']}")
        columns = {f"{split} ({one['rows']:,})": one["metrics"] for split, one in measured["splits"].items()}
        names = list(test["metrics"])
    else:
        columns = {"this model": test["metrics"]}
        names = [
            name for name in test["metrics"] if name == metric or not name.endswith(("_micro", "_weighted"))
        ]
    columns |= {name: one["metrics"] for name, one in test.get("baselines", {}).items()}
    if zero_shot := test.get("zero_shot"):
        columns["zero-shot"] = zero_shot["metrics"]
        if verbose:
            columns["gained"] = zero_shot["gain"]
    rows = [
        [name, *(_cell(its.get(name), verbose or its is test["metrics"]) for its in columns.values())]
        for name in names
    ]
    print_table(["", *columns], rows)


def _print_policy(policy: Mapping[str, Any] | None) -> None:
    """What the policy is worth on these rows, a line for each part of it."""
    if policy is None:
        return
    print_text("")
    if policy.get("before"):
        before, after = (policy[when]["ece"] for when in ("before", "after"))
        print_text(
            f"temperature {policy['temperature']:.2f}: calibration error {metric_text(before)}"
            f"\n  before, {metric_text(after)} after"
        )
    for sentence in policy.get("notes", []):
        print_text(sentence)
    if chosen := policy.get("thresholds"):
        precision, recall = (metric_text(chosen[name]) for name in ("precision_micro", "recall_micro"))
        target = f"asked: {chosen['target_precision']:.0%}"
        print_text(f"precision of all labels {precision} ({target}),\n  recall {recall}")
    if abstention := policy.get("abstention"):
        asked = f" (asked: {target:.0%})" if (target := abstention["target_precision"]) else ""
        right = abstention["precision"]
        print_text(
            f"confidence {policy['min_confidence']:.3f} or more: {_percent(abstention['answered'])} of the answers are"
            f" given; of those\n  {_percent(right) if right else 'none'} are right{asked}"
        )
    if sets := policy.get("sets"):
        target = f"asked: {policy['conformal']['coverage']:.0%}"
        print_text(
            f"{_percent(sets['coverage'])} of the sets have the right label ({target})"
            f"\n  {sets['mean_size']:.2f} labels on average, {sets['empty']:.1%} are empty"
        )
    for sentence in policy["unmet"]:
        print_text(f"warning: {sentence}")


def _percent(share: Mapping[str, Any]) -> str:
    low, high = share.get("low"), share.get("high")
    interval = "" if low is None else f" [{low:.1%}, {high:.1%}]"
    return f"{share['value']:.1%}{interval}"


def _cell(found: dict[str, Any] | None, interval: bool) -> str:
    if found is None:
        return ""
    return metric_text(found) if interval else f"{found['value']:.4f}"


def _print_slices(slices: Sequence[Mapping[str, Any]], metric: str, *, verbose: bool) -> None:
    """The worst slices."""
    if not slices:
        return
    shown = slices if verbose else slices[:_SLICES]
    left = f"; {len(slices) - len(shown)} more with -v" if len(shown) < len(slices) else ""
    print_text(f"\neach slice, the worst first{left}")
    cells = [
        [
            one_line(one["slice"], 36),
            str(one["rows"]),
            metric_text(one["metric"]) if one["metric"] else "no rows",
        ]
        for one in shown
    ]
    print_table(["slice", "rows", metric], cells)


def _print_invariance(checks: Sequence[Mapping[str, Any]], *, verbose: bool) -> None:
    """How many answers stay where texts change."""
    if not checks:
        return
    print_text("\nanswers that stay where the text changes")
    cells = [
        [
            one_line(one["check"], 30),
            str(one["rows"]),
            _percent(one["same"]) if one["same"] else "no rows",
            f"{one['at_least']:.1%}",
        ]
        for one in checks
    ]
    print_table(["change", "rows", "stay", "wanted"], cells)
    for one in checks:
        for example in one["examples"] if verbose else one["examples"][:1]:
            head = f"{example['before']} -> {example['after']}: "
            print_text(one_line(head + plain_input(example["input"]), _WIDTH))


def _print_classes(classes: Sequence[Mapping[str, Any]], *, verbose: bool) -> None:
    if not classes:
        return
    worst = sorted(classes, key=lambda one: (one["f1"], one["label"]))
    shown = worst if verbose else worst[:_CLASSES]
    left = f"; {len(worst) - len(shown)} more with -v" if len(shown) < len(worst) else ""
    print_text(f"\neach label, the lowest F1 first{left}")
    print_table(
        ["label", "rows", "precision", "recall", "F1"],
        [
            [
                one_line(one["label"], 36),
                str(one["support"]),
                *(f"{one[name]:.3f}" for name in ("precision", "recall", "f1")),
            ]
            for one in shown
        ],
    )


def _print_confusions(confusions: Sequence[Mapping[str, Any]]) -> None:
    if confusions:
        print_text("\nmost frequent confusions (reference -> answer)")
        for one in confusions[:_CONFUSIONS]:
            print_text(f"{one['rows']:>6}  {one_line(one['reference'], 30)} -> {one_line(one['answer'], 30)}")


def _print_worst(lines: Iterable[Mapping[str, Any]]) -> None:
    """The wrong answers that the model was most certain of."""
    from ftcore.runs.predictions import worst_errors

    worst = worst_errors(lines, _WORST)
    if not worst:
        return
    print_text("\nwrong with the most confidence")
    for line in worst:
        head = f"{plain_reference(line['reference'])} -> {line['summary']}: "
        print_text(one_line(head + plain_input(line["input"]), _WIDTH))


def plain_input(given: Any) -> str:  # noqa: ANN401 (as JSON has it)
    """The texts of an input, on one line."""
    if isinstance(given, Mapping):
        given = list(given.values())
    return given if isinstance(given, str) else " | ".join(map(str, given))


def plain_reference(reference: Any) -> str:  # noqa: ANN401 (as JSON has it)
    """What was right, on one line."""
    if isinstance(reference, list):
        return ", ".join(map(str, reference)) or "(none)"
    return str(reference)


def one_line(text: str, width: int) -> str:
    """Printable, on one line, of `width` characters at most."""
    from ftcore_runtime.terminal import printable

    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def _print_samples(samples: Sequence[Mapping[str, str]]) -> None:
    """What the model generates, and what was right."""
    from ftcore_runtime.terminal import printable

    if samples:
        print_text("\nsamples of test")
    for number, sample in enumerate(samples, 1):
        for name, text in sample.items():
            print_text(f"{number if name == next(iter(sample)) else ' '} {name:11} {printable(text)}")


def _print_seeds(summary: Mapping[str, Any]) -> None:
    splits = summary["splits"]
    names = list(next(iter(splits.values())))
    seeds = list(next(iter(splits.values()))[names[0]]["values"])
    print_text(
        f"\nmean and standard deviation over the seeds {', '.join(seeds)}; kept is {summary['chosen']}"
    )
    print_table(
        ["", *splits],
        [
            [name, *(f"{one[name]['mean']:.4f} ± {one[name]['sd']:.4f}" for one in splits.values())]
            for name in names
        ],
    )


def _next(folder: RunFolder) -> str:
    if folder.bundle.exists():
        from ftcore.files import read_json
        from ftcore_runtime.manifest import MANIFEST, Manifest

        decoder = Manifest.from_json(read_json(folder.bundle / MANIFEST)).make_decoder()
        second = ' --text-pair "..."' if decoder.required == 2 else ""
        return f'ftcore predict {folder.bundle} --text "..."{second}'
    if folder.metrics_file.exists():
        return f"ftcore export {folder.path}"
    return f"ftcore evaluate {folder.path}"
