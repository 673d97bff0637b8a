"""The spec: what one task file may say, how it is loaded, and how its errors are shown. Light: no torch."""

from ftcore.spec.diagnostics import Diagnostic, SpecError
from ftcore.spec.resolve import ResolvedSpec, load_spec
from ftcore.spec.sections import Section, Spec

__all__ = ["Diagnostic", "ResolvedSpec", "Section", "Spec", "SpecError", "load_spec"]
