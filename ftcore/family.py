"""What a family is: a name, and one part for each of its consumers, named and not imported."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from ftcore.errors import PluginError


@dataclass(frozen=True, kw_only=True)
class Family:
    """One shape of model and output. Every part is a reference `module:attribute`, resolved on first use.

    Args:
        name: what `family` of a spec, a run's record and a bundle say.
        spec: the spec model, a subclass of `Spec`; imports neither numpy nor torch.
        reader: a `Reader`: rows of a source, checked, and what is learnt from them; imports no torch.
        model: a `Model`: features, the torch module, its loss.
        scoring: a `Scoring`: answers and metrics, in numpy.
        export: an `Exporter`: the ONNX graphs.
        decoder: what `ftcore.decoders` calls the decoder that turns outputs into answers.
    """

    name: str
    spec: str
    reader: str
    model: str
    scoring: str
    export: str
    decoder: str

    def part(self, name: str) -> Any:  # noqa: ANN401 (a class of a module that is not known here)
        """The class that one of the references names.

        Raises:
            PluginError: its module does not import, or has no such attribute.
        """
        reference: str = getattr(self, name)
        module, _, attribute = reference.partition(":")
        where = f"the {name} of the family `{self.name}`"
        try:
            return getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if error.name and not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there, and what it needs is not: the command line says what to install
            raise PluginError(f"{where} is not there: no module `{module}`", hint=_FORM) from error
        except AttributeError as error:
            hint = f"{_FORM}: `{reference}`"
            raise PluginError(f"{where} is not there: {error}", hint=hint) from error

    @property
    def references(self) -> dict[str, str]:
        """Part -> `module:attribute`, for the parts that are modules' attributes."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if name not in ("name", "decoder")}


_FORM = "a part of a family is written `module:Class`"
