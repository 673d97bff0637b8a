"""Decoders by name: entry points of the group `ftcore.decoders`, shipped ones among them.

A bundle says which distribution its decoder comes with, so that no other distribution can answer in its place; where a
bundle is about to be written, the name must be of one distribution. Loading a decoder runs code that was installed
here: the allowlist of plugins says of which distributions, except ftcore's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from ftcore_runtime.decoders.base import Decoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.installed import CORE, NOT_ALLOWED, Installed, allowlist, installed, is_allowed, normal

GROUP = "ftcore.decoders"

#: The entry points of ftcore itself. What a bundle names of them is found here: to look through all that is installed
#: takes a tenth of the time in which a bundle is loaded.
_OWN = {
    name: f"ftcore_runtime.decoders.{name}:{decoder}"
    for name, decoder in (
        ("intent_classification", "IntentClassificationDecoder"),
        ("sequence_classification", "SequenceClassificationDecoder"),
        ("span_extraction", "SpanExtractionDecoder"),
        ("text_generation", "TextGenerationDecoder"),
        ("token_classification", "TokenClassificationDecoder"),
    )
}


@dataclass(frozen=True)
class Provider:
    """The distribution that brings a decoder, and the version of it that a bundle was written with (None: unknown)."""

    distribution: str
    version: str | None

    @property
    def shipped(self) -> bool:
        """Whether that is ftcore itself."""
        return normal(self.distribution) == CORE

    @property
    def requirement(self) -> str:
        """What pip installs."""
        return self.distribution if self.version is None else f"{self.distribution}=={self.version}"


#: Of bundles that do not name it, since all decoders were ftcore's when they were written.
SHIPPED = Provider(CORE, None)


def provider_of(name: str) -> Provider:
    """Who brings the decoder that a bundle is about to be written for.

    Raises:
        BundleError: nobody does, or several distributions do.
    """
    entry = _find(name, None, "decoder")
    return Provider(entry.distribution, entry.version)


def make_decoder(
    config: Mapping[str, Any], where: str = "decoder", provider: Provider | None = None
) -> Decoder:
    """A decoder with its settings.

    Args:
        config: `name`, and the settings that the decoder of this name writes.
        where: the location of `config`, for error messages.
        provider: who brings it; whoever does unless given.

    Raises:
        BundleError: nobody (or nobody allowed) brings it, or its settings are not what it reads.
    """
    name = config.get("name")
    if not isinstance(name, str):
        raise BundleError("'name': expected the name of a decoder", where=where)
    entry = _own(name, provider) or _find(name, provider, where)
    settings = {key: value for key, value in config.items() if key != "name"}
    try:
        return _load(entry, where).from_json(settings, where)
    except BundleError as error:
        if provider is None or provider.version is None:
            raise
        version = _find(name, provider, where).version
        if version == provider.version:
            raise
        hint = f"it was written with {provider.requirement}; installed is {version}"
        raise BundleError(error.what, where=error.where, hint=hint) from error


def _own(name: str, provider: Provider | None) -> Installed | None:
    """A decoder that ftcore brings, without its version; None where another distribution may be meant."""
    if provider is None or not provider.shipped or name not in _OWN:
        return None
    return Installed(name, _OWN[name], CORE, version="")


def _find(name: str, provider: Provider | None, where: str) -> Installed:
    """The one entry point that is meant, which may be used."""
    everything = installed(GROUP)
    of_name = [
        entry
        for entry in everything
        if entry.name == name
        and (provider is None or normal(entry.distribution) == normal(provider.distribution))
    ]
    if not of_name:
        raise _missing(name, provider, {entry.name for entry in everything}, where)
    found = [entry for entry in of_name if entry.shipped or _is_allowed(entry)]
    if not found:
        raise BundleError(
            f"the decoder {name!r} of {of_name[0].provider} may not be loaded: {NOT_ALLOWED}", where=where
        )
    if len(found) > 1:
        rivals = " and ".join(entry.provider for entry in found)
        raise BundleError(
            f"{rivals} all provide the decoder {name!r}", where=where, hint="uninstall all but one"
        )
    return found[0]


def _is_allowed(entry: Installed) -> bool:
    return is_allowed(entry.name, entry.distribution, allowlist(Path.cwd()))


def _missing(name: str, provider: Provider | None, known: set[str], where: str) -> BundleError:
    if provider is not None and not provider.shipped:
        return BundleError(
            f"its decoder {name!r:.60} comes with the distribution {provider.distribution!r}, which is not installed",
            where=where,
            hint=f"if you trust it: pip install '{provider.requirement}'",
        )
    hint = f"installed are {', '.join(sorted(known))}" if known else "install ftcore: its metadata names them"
    if provider is not None:
        hint += "; the bundle may need a newer ftcore"
    return BundleError(f"the decoder {name!r:.60} is unknown", where=where, hint=hint)


def _load(entry: Installed, where: str) -> type[Decoder]:
    module, _, attribute = entry.value.partition(":")
    try:
        found = attrgetter(attribute)(import_module(module))
    except Exception as error:
        raise BundleError(
            f"the decoder {entry.name!r} of {entry.provider} cannot be loaded: {type(error).__name__}: {error}",
            where=where,
        ) from error
    if not (isinstance(found, type) and issubclass(found, Decoder)):
        raise BundleError(
            f"the entry point {entry.name!r} of {entry.provider} is no Decoder: {entry.value}", where=where
        )
    return found
