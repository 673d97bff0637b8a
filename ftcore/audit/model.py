"""What only the base model shows of the rows: tokens cut or unknown, and labels that it does not believe."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ftcore.audit.findings import Audit, Example, Finding, Severity, counted, kept, ordered, row
from ftcore.audit.suspects import HEAVY, find_suspects
from ftcore.audit.texts import plain
from ftcore.data.tables import Split
from ftcore.errors import ModelError
from ftcore.families.bound import BoundFamily
from ftcore.families.reader import SupportsLabelCounts, input_text
from ftcore.imports import imported_meanwhile
from ftcore.modeling.device import torch_device
from ftcore.runs.base_checks import check_unknown
from ftcore.runs.parts import joined, spaced
from ftcore.runs.workspace import Workspace
from ftcore.training.head_start import RowInputs, read_rows
from ftcore.training.precision import Precision, autocast
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder

#: Rows that the base model reads at most: of an audit for its own sake, and of one before a training, which waits.
MOST_ROWS, MOST_ROWS_OF_RUN = 10_000, 1_000
_CUT = 0.05  # share of the rows from which texts that are cut are a warning
_CUT_AT = "cut at "
_LONGER = "raise model.max_length, if the base model reads more, or read texts whole with model.windows"


@dataclass(frozen=True)
class ModelAudit:
    """What was found, and what finding it took.

    Args:
        lengths: split -> name of a figure -> the figure, as the family's plan has them.
        findings: in any order.
        read_seconds: for each token that the base model read; 0 where it read none.
        probe_seconds: for one regression on the representations; 0 where there was none.
        seconds: for all of it.
    """

    lengths: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    read_seconds: float = 0.0
    probe_seconds: float = 0.0
    seconds: float = 0.0

    def joined(self, found: Audit) -> Audit:
        """What was found in the rows, and this."""
        lengths = {split: {**found.lengths.get(split, {}), **its} for split, its in self.lengths.items()}
        return replace(found, lengths=lengths, findings=ordered([*found.findings, *self.findings]))


def audit_model(
    workspace: Workspace,
    *,
    suspects: bool = True,
    most_rows: int = MOST_ROWS,
    precision: Precision = "fp32",
) -> ModelAudit:
    """Tokenise the rows, and let the base model read them once.

    Args:
        suspects: look for labels that are likely wrong.
        most_rows: that are looked at for them; of more, so many in even steps.
        precision: of the products with which the base model reads them.
    """
    before = time.perf_counter()
    lengths = {
        split.name: {
            name: value
            for name, value in workspace.family.model.plan(split.table, workspace.features(split)).items()
            if name != "rows"
        }
        for split in workspace.splits
    }
    findings = [
        *_cut(lengths, {split.name: split.table.num_rows for split in workspace.splits}),
        *_unknown(workspace),
        *_special_tokens(workspace),
    ]
    looked_for = suspects and _has_one_label(workspace.family)
    read = None
    if looked_for:
        with imported_meanwhile(*HEAVY):
            read = _read_by_base(workspace, most_rows, precision)
    if read is None:
        return ModelAudit(lengths, tuple(findings), seconds=time.perf_counter() - before)
    errors, seconds = _label_errors(read, workspace.family)
    whole = time.perf_counter() - before
    return ModelAudit(lengths, (*findings, *errors), read.seconds, seconds, whole)


def _cut(lengths: Mapping[str, Mapping[str, int]], rows: Mapping[str, int]) -> Iterator[Finding]:
    """Rows whose text does not fit into the tokens that are read."""
    for split, figures in lengths.items():
        for name, cut in figures.items():
            if name.startswith(_CUT_AT) and cut:
                share = cut / rows[split]
                most = name.removeprefix(_CUT_AT)
                what = f"{counted(cut, 'row')} of {split} ({share:.1%}) cut at {most} tokens"
                severity: Severity = "warning" if share > _CUT else "note"
                hint = _LONGER if share > _CUT else ""
                yield Finding("truncation", severity, what, cut, hint)


def _unknown(workspace: Workspace) -> Iterator[Finding]:
    """Words that the tokenizer does not know, by the run's own measure."""
    said: list[str] = []
    try:
        check_unknown(workspace.features("train"), workspace.spec.model.base, said.append)
    except ModelError as error:
        yield Finding(
            "unknown tokens", "error", error.what, workspace.splits.train.table.num_rows, error.hint or ""
        )
    for what in said:
        yield Finding("unknown tokens", "warning", what, workspace.splits.train.table.num_rows)


def _special_tokens(workspace: Workspace) -> Iterator[Finding]:
    """Texts that spell one of the tokenizer's special tokens."""
    added = workspace.encoder.tokenizer.get_added_tokens_decoder().values()
    spelled = [token.content for token in added if token.special and len(token.content) > 2]
    if not spelled:
        return
    pattern = re.compile("|".join(map(re.escape, sorted(spelled, key=len, reverse=True))))
    found = []
    for split in workspace.splits:
        for index, given in enumerate(workspace.family.reader.inputs(split.table)):
            if token := pattern.search(text := input_text(given)):
                found.append(Example((row(split.locations[index].as_py(), text),), token[0]))
    if found:
        what = f"{counted(len(found), 'row')} that spell a special token of the tokenizer; it is read as text"
        yield Finding("special tokens", "note", what, len(found), examples=kept(found))


def _has_one_label(family: BoundFamily) -> bool:
    decoder = make_decoder(family.scoring.decoder)
    return isinstance(decoder, SequenceClassificationDecoder) and decoder.problem == "single_label"


@dataclass(frozen=True)
class _Read:
    """Rows as the base model reads them.

    Args:
        read: what the head would read of them.
        seconds: for one token.
    """

    rows: Split
    read: RowInputs
    seconds: float


def _read_by_base(workspace: Workspace, most_rows: int, precision: Precision) -> _Read | None:
    """All rows, or so many of them; None where the head reads more than one vector."""
    rows = spaced(joined("all rows", list(workspace.splits)), most_rows)
    features = workspace.features(rows)
    device = torch_device()
    model = workspace.family.model.build(workspace.base).to(device)
    before = time.perf_counter()
    with autocast(precision, device):
        read = read_rows(model, workspace.family.model, features)
    if read is None:
        return None
    seconds = (time.perf_counter() - before) / max(1, int(features.lengths.sum()))
    return _Read(rows, read, seconds)


def _label_errors(read: _Read, family: BoundFamily) -> tuple[list[Finding], float]:
    """Labels that are likely wrong, and the seconds of a regression."""
    if not isinstance(family.fitted, SupportsLabelCounts):
        return [], 0.0
    labels = list(family.fitted.label_counts)
    texts = [input_text(given) for given in family.reader.inputs(read.rows.table)]
    groups = np.unique([plain(text) for text in texts], return_inverse=True)[1]
    targets, weights = read.read.targets, read.read.weights
    before = time.perf_counter()
    found = find_suspects(read.read.inputs, targets, weights, groups, len(labels), family.spec.training.seed)
    if found is None:
        return [], 0.0
    seconds = (time.perf_counter() - before) / found.folds
    if not len(found.rows):
        return [], seconds
    likelier = found.probabilities.argmax(1)
    believed = found.probabilities[np.arange(len(targets)), likelier]
    examples = [
        Example(
            (row(read.rows.locations[index].as_py(), texts[index]),),
            f"{labels[targets[index]]}, likelier {labels[likelier[index]]} {believed[index]:.2f}",
        )
        for index in found.rows.tolist()
    ]
    right = float((likelier == targets).mean())
    what = (
        f"{counted(len(examples), 'label')} of {len(texts):,} may be wrong: a regression on the base model that had not"
        f" seen the rows believes in others (of all labels it agrees with {right:.1%})"
    )
    hint = "read them, the likeliest first"
    return [Finding("label errors", "note", what, len(examples), hint, kept(examples))], seconds
