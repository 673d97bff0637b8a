"""An example for each command, which its `--help` ends with."""

from __future__ import annotations

EXAMPLES = {
    "init": "ftcore init reviews.csv --output reviews.yaml",
    "audit": "ftcore audit reviews.yaml --html audit.html",
    "recommend": "ftcore recommend reviews.yaml --under-ms 10 --under-mb 50",
    "run": "ftcore run reviews.yaml --set training.epochs=2",
    "resume": "ftcore resume latest",
    "reproduce": "ftcore reproduce latest --tolerance 0.001",
    "train": "ftcore train reviews.yaml --set training.seed=7",
    "evaluate": "ftcore evaluate reviews --input other.csv --columns text=body",
    "export": "ftcore export latest",
    "predict": 'ftcore predict reviews --text "two hours late, and nobody said a word"',
    "bundle": "ftcore bundle verify runs/reviews/latest/bundle",
    "serve": "ftcore serve reviews --port 8000",
    "package": "ftcore package kubernetes reviews --output manifests --image registry/reviews:1",
    "push": "ftcore push reviews --repo acme/reviews --dry-run reviews-hub",
    "runs": "ftcore runs --json",
    "compare": "ftcore compare first second --html comparison.html",
    "errors": "ftcore errors reviews --label negative",
    "explain": 'ftcore explain reviews --text "two hours late"',
    "clean": "ftcore clean --yes",
    "suggest": "ftcore suggest reviews --pool unlabelled.csv",
    "validate": "ftcore validate reviews.yaml -v",
    "tasks": "ftcore tasks",
    "plugins": "ftcore plugins --strict",
    "schema": "ftcore schema sentiment",
}
