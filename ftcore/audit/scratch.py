"""The audit that needs the base model, outside a run: in a run's folder that is deleted afterwards."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from ftcore.audit.estimate import estimate
from ftcore.audit.findings import Audit
from ftcore.audit.model import audit_model
from ftcore.runs.folder import create_run
from ftcore.runs.workspace import Workspace
from ftcore.spec import ResolvedSpec
from ftcore.training.stopping import listen


def audit_with_base(resolved: ResolvedSpec, found: Audit) -> Audit:
    """What was found in the rows, what the base model shows of them, and what a training will take.

    Where the tokenizer does not know the texts, nothing is trained: there is no estimate.

    Raises:
        UserError: the base model cannot be read, or cannot be trained as the spec says.
        Interrupted: Ctrl-C or SIGTERM.
    """
    with tempfile.TemporaryDirectory() as scratch, listen() as stop:
        folder = create_run(resolved, Path(scratch))
        workspace = Workspace(folder, resolved.spec, resolved.task, ())
        try:
            closer = audit_model(workspace)
            found = closer.joined(found)
            if any(finding.check == "unknown tokens" for finding in found.errors):
                return found
            figures = estimate(workspace.training_inputs, closer, folder.path / "trial", stop)
            return replace(found, estimate=figures)
        finally:
            workspace.events.close()
