"""SetFit with its trainer's defaults, for `few_rows.py`: JSON in on stdin, the labels of each test text out.

It runs in an environment of its own that has setfit 1.2; nothing of ftcore is imported.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from typing import Any


def main() -> None:
    """Train on `rows`, answer `test`."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from setfit.sampler import ContrastiveDataset

    given: dict[str, Any] = json.load(sys.stdin)
    random.seed(given["seed"])
    rows, several = given["rows"], isinstance(given["rows"][0]["label"], list)
    names = sorted({name for row in rows for name in (row["label"] if several else [row["label"]])})
    place = {name: number for number, name in enumerate(names)}
    targets = [
        [int(name in row["label"]) for name in names] if several else place[row["label"]] for row in rows
    ]
    strategy = {"multi_target_strategy": "one-vs-rest"} if several else {}
    model = SetFitModel.from_pretrained(given["base"], **strategy)
    model.model_body.max_seq_length = given["length"]
    data = Dataset.from_dict({"text": [row["text"] for row in rows], "label": targets})
    # Its default, one pass over all pairs, grows with the square of the rows and takes hours with 77 labels. Where the
    # pairs end before `steps` do, `max_steps` would go over them again: with 16 rows of two labels 15 times.
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(folder, seed=given["seed"], max_steps=given["steps"], report_to="none")
        most = given["steps"] * arguments.embedding_batch_size
        if len(ContrastiveDataset(data["text"], data["label"], several, max_pairs=most)) < most:
            arguments.max_steps = -1
        Trainer(model=model, args=arguments, train_dataset=data).train()
    answers = model.predict(given["test"], as_numpy=True).tolist()
    labels = [
        [name for name, on in zip(names, answer, strict=True) if on] if several else [names[answer]]
        for answer in answers
    ]
    print(json.dumps(labels))


if __name__ == "__main__":
    main()
