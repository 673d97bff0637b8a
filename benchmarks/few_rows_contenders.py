"""The contenders of `few_rows.py`: each learns from some rows and answers some others."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from few_rows_data import Answers, Rows, read

#: Learns from rows and answers test rows; the seed of the draw is its own, too.
Contender = Callable[[Rows, Rows, int, argparse.Namespace], Answers]


def ours(
    rows: Rows,
    test: Rows,
    draw: int,
    args: argparse.Namespace,
    recipe: str = "auto",
    texts: Sequence[str] = (),
) -> Answers:
    """The whole of `ftcore train` and `ftcore evaluate`, in this process."""
    from fits import fitted, write_rows

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, content in (("train", rows), ("test", test), ("texts", [{"text": one} for one in texts])):
            write_rows(content, folder / f"{split}.jsonl")
        problem = "multi_label" if isinstance(rows[0]["label"], list) else "single_label"
        spec: dict[str, Any] = {
            "task": "classification",
            "data": {"train": "train.jsonl", "test": "test.jsonl", "problem": problem},
            "model": {"base": args.base, "max_length": args.max_length},
            "training": {"recipe": recipe, "seed": draw},
            "evaluation": {"bootstrap": 0},
        }
        if texts:
            spec["training"]["pretrain"] = {"on": "texts.jsonl"}
        run = fitted(spec, folder, overrides=args.set).folder
        if run.selection_file.exists():
            chosen = json.loads(run.selection_file.read_text())
            values = [round(one["metrics"][chosen["metric"]], 4) for one in chosen["evaluations"]]
            print(json.dumps({"folds": chosen["folds"], "share": chosen["share"], "held out": values}))
        said = {line["input"]: line["answer"] for line in read(run.predictions("test"))}
    field = "labels" if problem == "multi_label" else "label"
    found = [said[row["text"]][field] for row in test]
    return [frozenset(one) if isinstance(one, list) else frozenset([one]) for one in found]


def plain(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """Ours with the plain recipe."""
    return ours(rows, test, draw, args, recipe="plain")


def pretrained(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """Ours, whose base model has read texts of the same kind first: the same ones in every draw."""
    whole = read(args.data / "train.jsonl")
    taken = np.random.default_rng(0).permutation(len(whole))[: args.texts]
    return ours(rows, test, draw, args, texts=[whole[index]["text"] for index in taken])


def probe(rows: Rows, test: Rows, draw: int, args: argparse.Namespace, *, each: bool = False) -> Answers:
    """Logistic regression on frozen embeddings."""
    from sklearn.linear_model import LogisticRegression

    inputs = embeddings([row["text"] for row in (*rows, *test)], args)
    inputs /= np.linalg.norm(inputs[: len(rows)], axis=1).mean()
    return _fitted(lambda: LogisticRegression(C=10, max_iter=1000), inputs, rows, len(test), each)


def probe_each(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """Likewise, and each of several labels has a threshold of its own."""
    return probe(rows, test, draw, args, each=True)


def tfidf(rows: Rows, test: Rows, draw: int, args: argparse.Namespace) -> Answers:
    """Linear SVM on TF-IDF; of characters where the texts have no spaces."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    texts = [row["text"] for row in (*rows, *test)]
    spaced = np.mean([len(text.split()) > 1 for text in texts]) > 0.5
    kind = {"ngram_range": (1, 2)} if spaced else {"ngram_range": (1, 3), "analyzer": "char"}
    vectorizer = TfidfVectorizer(sublinear_tf=True, **kind).fit(texts[: len(rows)])
    return _fitted(LinearSVC, vectorizer.transform(texts), rows, len(test), False)


def _fitted(make: Callable[[], Any], inputs: Any, rows: Rows, tests: int, each: bool) -> Answers:
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
    best = np.full(len(names), _best_cut(own, hot))
    if each:
        best = np.array([_best_cut(own[:, place], hot[:, place]) for place in range(len(names))])
    return [frozenset(name for name, on in zip(names, row >= best, strict=True) if on) for row in other]


def _best_cut(scores: np.ndarray, hot: np.ndarray) -> float:
    """The threshold with the best F1."""
    cuts = np.quantile(scores, np.linspace(0, 1, 400))
    found = [2 * (hot & (scores >= cut)).sum() / max(1, hot.sum() + (scores >= cut).sum()) for cut in cuts]
    return float(cuts[int(np.argmax(found))])


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
    given |= {"steps": args.setfit_steps, "length": args.max_length}
    script = Path(__file__).with_name("few_rows_setfit.py")
    done = subprocess.run(
        [args.setfit_python, str(script)], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return [frozenset(labels) for labels in json.loads(done.stdout.splitlines()[-1])]


CONTENDERS: dict[str, Contender] = {
    "ours": ours,
    "pretrained": pretrained,
    "probe": probe,
    "probe_each": probe_each,
    "tfidf": tfidf,
    "setfit": setfit,
    "plain": plain,
}
