"""What the `--help` of each command ends with: its own exit codes, and an example."""

from __future__ import annotations

from collections.abc import Mapping

from ftcore.errors import ExitCode

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
    "bundle": "ftcore bundle verify reviews",
    "bundle verify": "ftcore bundle verify reviews --key public.pem",
    "bundle inspect": "ftcore bundle inspect reviews",
    "bundle diff": "ftcore bundle diff reviews other-reviews",
    "bundle selftest": "ftcore bundle selftest reviews --variant int8",
    "bundle sign": "ftcore bundle sign reviews --key private.pem",
    "bundle pack": "ftcore bundle pack reviews reviews.tar",
    "bundle unpack": "ftcore bundle unpack reviews.tar unpacked",
    "serve": "ftcore serve reviews --port 8000",
    "package": "ftcore package docker reviews --output image",
    "package triton": "ftcore package triton reviews --output repository --group fp32=gpu:2 --group int8=cpu",
    "package kserve": "ftcore package kserve reviews --output kserve --image registry/reviews:1"
    " --storage pvc://models/reviews",
    "package kubernetes": "ftcore package kubernetes reviews --output manifests --image registry/reviews:1",
    "package docker": "ftcore package docker reviews --output image --wheel dist/ftcore-0.1.0-py3-none-any.whl",
    "package mlflow": "ftcore package mlflow reviews --output model",
    "package azureml": "ftcore package azureml reviews --output azure",
    "package nemo": "ftcore package nemo reviews --output nemo",
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

_OF_A_RUN = {
    ExitCode.FAILED: "the loss is not finite, the disk is full; of several specs, a run failed",
    ExitCode.CHECK_FAILED: "the run is done, and a check, a gate or a tolerance was not met",
}
#: What exit codes mean of a command in particular; of all others `ExitCode.meaning` says everything.
EXIT_CODES: Mapping[str, Mapping[ExitCode, str]] = {
    "audit": {ExitCode.BAD_INPUT: "`ftcore run` would not begin with these rows"},
    "run": _OF_A_RUN,
    "resume": _OF_A_RUN,
    "train": {ExitCode.FAILED: "the loss is not finite, the disk is full"},
    "reproduce": {
        ExitCode.CHECK_FAILED: "the run came out otherwise, or its rows or base model have changed"
    },
    "evaluate": {ExitCode.CHECK_FAILED: "a check was not met"},
    "export": {ExitCode.CHECK_FAILED: "the bundle is there, and a gate or a tolerance was not met"},
    "predict": {ExitCode.CHECK_FAILED: "some rows could not be answered; their lines say why"},
    "bundle diff": {ExitCode.CHECK_FAILED: "the two differ"},
    "serve": {
        ExitCode.OK: "stopped, and every accepted request was answered",
        ExitCode.FAILED: "some were cut short at the end of the grace time",
    },
    "validate": {ExitCode.BAD_INPUT: "a spec is not valid"},
    "runs": {ExitCode.BAD_INPUT: "a record cannot be read; all others are listed"},
    "plugins": {ExitCode.BAD_INPUT: "with --strict: a plugin is broken, missing or in conflict"},
}


def epilog(command: str, before: str | None) -> str:
    """The end of a command's `--help`.

    Args:
        before: what the command itself says there.
    """
    own = [f"exit code {code}: {text}\n" for code, text in EXIT_CODES.get(command, {}).items()]
    parts = [before or "", "".join(own), f"example: {EXAMPLES[command]}\n"]
    return "\n".join(part for part in parts if part)
