"""What should be served: from the command line, or from a JSON file that is read again at every reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ftcore_runtime import strict_json
from ftcore_runtime.errors import BundleError, UserError
from ftcore_runtime.fields import Fields
from ftcore_runtime.files import open_regular

_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Source:
    """A bundle's folder, and what it is served as (the bundle's own name and fingerprint where None)."""

    path: Path
    name: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Deployment:
    """Some bundles, and who answers.

    Args:
        sources: of one model's versions, the last one answers unless `defaults` says otherwise.
        defaults: model -> version that answers.
        canaries: model -> version, and its share (0 to 1) of the requests that name no version.
    """

    sources: Sequence[Source]
    defaults: Mapping[str, str] = field(default_factory=dict)
    canaries: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def from_arguments(bundles: Sequence[str], canaries: Sequence[str] = ()) -> Deployment:
    """Read `PATH`, `NAME=PATH` or `NAME@VERSION=PATH`, and canaries `NAME@VERSION=SHARE`.

    Raises:
        UserError: an argument is none of these.
    """
    shares = {}
    for argument in canaries:
        model, _, share = argument.partition("=")
        name, _, version = model.partition("@")
        try:
            shares[name] = (version, _share(float(share)))
        except ValueError:
            raise UserError(
                f"{argument!r:.80} is not NAME@VERSION=SHARE with a share from 0 to 1", where="--canary"
            ) from None
    return Deployment([_source(argument) for argument in bundles], {}, shares)


def _source(argument: str) -> Source:
    head, equals, path = argument.partition("=")
    if not equals or "/" in head:
        return Source(Path(argument))
    name, at, version = head.partition("@")
    require_name(name, argument)
    if at:
        require_name(version, argument)
    return Source(Path(path), name, version or None)


def from_file(path: Path) -> Deployment:
    """Read `{"models": {NAME: {"versions": {VERSION: FOLDER}, "default": VERSION, "canary": {"version", "share"}}}}`.

    `default` and `canary` may be left out. Folders are relative to the file.

    Raises:
        UserError: the file cannot be read, or says something else.
    """
    where = str(path)
    try:
        with open_regular(path) as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UserError(f"has more than {_MAX_BYTES:,} bytes", where=where)
        document = strict_json.loads(data.decode())
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=where) from None
    except ValueError as error:
        raise UserError(f"is not valid JSON: {str(error)[:120]}", where=where) from None
    try:
        return _read(document, path.parent, where)
    except BundleError as error:
        raise UserError(error.what, where=error.where, hint=error.hint) from None


def _read(document: object, folder: Path, where: str) -> Deployment:
    top = Fields(document, where)
    models = top.mapping("models")
    top.end()
    if not models:
        raise top.error("models", "names none")
    sources, defaults, canaries = [], {}, {}
    for name, value in models.items():
        require_name(name, where)
        fields = Fields(value, f"{where}: {name}")
        versions = fields.mapping("versions")
        for version, path in versions.items():
            require_name(version, f"{where}: {name}")
            if not isinstance(path, str):
                raise fields.error("versions", "expected a folder for each version")
            sources.append(Source(folder / path, name, version))
        if not versions:
            raise fields.error("versions", "names none")
        if fields.has("default"):
            defaults[name] = fields.text("default")
        if fields.has("canary"):
            canary = Fields(fields.mapping("canary"), f"{where}: {name}.canary")
            try:
                canaries[name] = (canary.text("version"), _share(canary.number("share")))
            except ValueError:
                raise canary.error("share", "must be from 0 to 1") from None
            canary.end()
        fields.end()
    return Deployment(sources, defaults, canaries)


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(value)
    return value


def reader(bundles: Sequence[str], canaries: Sequence[str], models: Path | None) -> Callable[[], Deployment]:
    """What to call at the start and at every reload.

    Raises:
        UserError: neither bundles nor a file are given, or both.
    """
    if (models is None) == (not bundles):
        raise UserError("give bundles, or --models FILE", where="ftcore serve")
    if models is None:
        return lambda: from_arguments(bundles, canaries)
    if canaries:
        raise UserError("belongs in the file of --models", where="--canary")
    return lambda: from_file(models)


def require_name(name: str, where: str) -> None:
    """Refuse what cannot stand in a path of a URL as it is.

    Raises:
        UserError: it is empty, too long, or has other characters than letters, digits, `.`, `_` and `-`.
    """
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    if not 0 < len(name) <= 64 or not set(name) <= allowed or name.startswith("."):
        raise UserError(
            f"{name!r:.80} is no name for a model or version",
            where=where,
            hint="give NAME=PATH or NAME@VERSION=PATH, of letters, digits, '.', '_' and '-'",
        )
