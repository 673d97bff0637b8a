"""The spec: what one task file may say, how it is loaded, and how its errors are shown. Light: no torch."""

from ftcore.spec.sections import Section, Spec

__all__ = ["Section", "Spec"]
