"""The audit that needs the base model, outside a run."""

from __future__ import annotations

from dataclasses import replace

from ftcore.audit.estimate import estimate
from ftcore.audit.findings import Audit
from ftcore.audit.model import audit_model
from ftcore.runs.scratch import scratch_workspace
from ftcore.spec import ResolvedSpec
from ftcore.training.stopping import listen


def audit_with_base(resolved: ResolvedSpec, found: Audit) -> Audit:
    """What was found in the rows, what the base model shows of them, and what a training will take.

    Where the tokenizer does not know the texts, nothing is trained: there is no estimate.

    Raises:
        UserError: the base model cannot be read, or cannot be trained as the spec says.
        Interrupted: Ctrl-C or SIGTERM.
    """
    with scratch_workspace(resolved) as workspace, listen() as stop:
        closer = audit_model(workspace)
        found = closer.joined(found)
        if any(finding.check == "unknown tokens" for finding in found.errors):
            return found
        figures = estimate(workspace.training_inputs, closer, workspace.folder.path / "trial", stop)
        return replace(found, estimate=figures)
