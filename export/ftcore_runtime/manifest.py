"""`bundle.json`, schema version 5: what a bundle says of itself. Documented in docs/reference/bundle.md."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ftcore_runtime import strict_json
from ftcore_runtime.decoders import Decoder, Provider, make_decoder
from ftcore_runtime.decoders.registry import SHIPPED
from ftcore_runtime.encoding import EncoderConfig
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.schema_versions import MANIFEST as MANIFEST
from ftcore_runtime.schema_versions import SCHEMA_VERSION as SCHEMA_VERSION
from ftcore_runtime.schema_versions import (
    WITHOUT_FAILURES,
    WITHOUT_PROVIDER,
    WITHOUT_SOURCE,
    WITHOUT_TARGET_TOKENIZER,
    upgrade,
)
from ftcore_runtime.training_source import TrainingSource

MODEL_CARD = "README.md"
#: Names that the files of a bundle may have: no paths, none that is hidden.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Of a distribution and its version, as pip takes them on a command line.
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.!+_-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True)
class FileEntry:
    """A file of the bundle: its SHA-256 in hex, and its size in bytes."""

    sha256: str
    bytes: int

    @classmethod
    def from_json(cls, value: object, where: str) -> FileEntry:
        """Read `{sha256, bytes}`."""
        fields = Fields(value, where)
        entry = cls(fields.text("sha256"), fields.integer("bytes", minimum=0))
        if not _SHA256.fullmatch(entry.sha256):
            raise fields.error("sha256", "expected 64 hexadecimal digits")
        fields.end()
        return entry


@dataclass(frozen=True)
class Variant:
    """One set of graphs that answers.

    Args:
        graphs: role -> file name (`{"model": "model.fp32.onnx"}`).
        metrics: measured with these graphs, as JSON.
        parity: how it compares with the model that it was exported from, as JSON.
        bytes: size of its graphs together.
        speed: what it takes on the machine that exported it, as JSON; empty where nobody timed it.
        batch_invariant: whether a text's answer was found to be the same in any batch; None where nobody looked.
        failures: gates and tolerances of the export that it does not meet, a sentence each; None where the exporter
            recorded none of these three (schema version 1).
        decoder: settings of the decoder that these graphs have of their own, chosen by what they answer themselves.
    """

    graphs: Mapping[str, str]
    metrics: Mapping[str, Any]
    parity: Mapping[str, Any]
    bytes: int
    speed: Mapping[str, Any]
    batch_invariant: bool | None
    failures: tuple[str, ...] | None
    decoder: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object, where: str, version: int) -> Variant:
        """Read what `to_json` gives, in a manifest of the schema version `version`."""
        fields = Fields(value, where)
        graphs = fields.mapping("graphs")
        if not graphs or not all(type(name) is str and name.endswith(".onnx") for name in graphs.values()):
            raise fields.error("graphs", "expected the names of .onnx files")
        variant = cls(
            graphs,
            fields.mapping("metrics"),
            fields.mapping("parity"),
            fields.integer("bytes", minimum=1),
            fields.mapping("speed") if version > WITHOUT_FAILURES else {},
            None
            if version == WITHOUT_FAILURES or fields.is_null("batch_invariant")
            else fields.take("batch_invariant", bool),
            fields.strings("failures") if version > WITHOUT_FAILURES else None,
            fields.mapping("decoder") if version > WITHOUT_SOURCE and fields.has("decoder") else {},
        )
        fields.end()
        return variant

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        made = {
            "graphs": dict(self.graphs),
            "metrics": dict(self.metrics),
            "parity": dict(self.parity),
            "bytes": self.bytes,
        }
        if self.failures is None:
            return made
        return {
            **made,
            "speed": dict(self.speed),
            "batch_invariant": self.batch_invariant,
            "failures": list(self.failures),
            **({"decoder": dict(self.decoder)} if self.decoder else {}),
        }


@dataclass(frozen=True)
class Manifest:
    """A bundle's manifest, checked.

    Args:
        name, task, family: what the bundle is.
        created: ISO 8601 time with its offset.
        encoder, tokenizer: how texts become graph inputs, and the tokenizer's file name.
        target_tokenizer: file name of the one that answers are generated with, where it is another.
        decoder: the JSON that `make_decoder` reads.
        provider: the distribution that brings that decoder; None in bundles of version 3 and earlier, whose decoders
            are ftcore's.
        variants, default_variant: the graphs to choose from, and the one that answers unless asked otherwise.
        metrics, provenance: of the run that made it, as JSON.
        golden: file name of the inputs with expected answers that `Pipeline.selftest` replays.
        files: every file of the bundle but the manifest itself.
        reference: JSON of the evaluation's histograms (`Reference`), where it has them.
        source: how the training rows were written; None in bundles that do not say it.
        measurement: JSON of how labelled rows are measured, where it says so; ftcore reads it, the runtime does not.
    """

    name: str
    task: str
    family: str
    created: str
    encoder: EncoderConfig
    tokenizer: str
    decoder: Mapping[str, Any]
    variants: Mapping[str, Variant]
    default_variant: str
    metrics: Mapping[str, Any]
    provenance: Mapping[str, Any]
    golden: str
    files: Mapping[str, FileEntry]
    reference: Mapping[str, Any] | None = None
    target_tokenizer: str | None = None
    provider: Provider | None = None
    source: TrainingSource | None = None
    measurement: Mapping[str, Any] | None = None

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """File names of the tokenizer that reads, and of the one that writes where it is another."""
        return (self.tokenizer,) if self.target_tokenizer is None else (self.tokenizer, self.target_tokenizer)

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits of its hash: what a bundle's version is called unless somebody names it."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def make_decoder(self, variant: str | None = None) -> Decoder:
        """The decoder of a variant of the bundle, the default one unless named.

        Raises:
            BundleError: see `make_decoder`; or it writes nothing with the second tokenizer.
        """
        own = self.variants[variant or self.default_variant].decoder
        if "name" in own:
            raise BundleError("a variant has no decoder of another name", where=f"{MANIFEST}: variants")
        decoder = make_decoder({**self.decoder, **own}, f"{MANIFEST}: decoder", self.provider or SHIPPED)
        if self.target_tokenizer is not None and "encoder" not in decoder.graphs:
            raise BundleError(
                "'target_tokenizer': only an encoder-decoder has one", where=f"{MANIFEST}: encoder"
            )
        return decoder

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        encoder = {**self.encoder.to_json(), "tokenizer": self.tokenizer}
        if self.target_tokenizer is not None:
            encoder["target_tokenizer"] = self.target_tokenizer
        settings = dict(self.decoder)
        name = settings.pop("name")
        if self.provider is None:  # as it was read, so that what an older version wrote keeps its fingerprint
            version = WITHOUT_TARGET_TOKENIZER if self.target_tokenizer is None else WITHOUT_PROVIDER
            if any(variant.failures is None for variant in self.variants.values()):
                version = WITHOUT_FAILURES
            decoder = {"family": name, **settings}
        else:
            version = SCHEMA_VERSION if self._says_more else WITHOUT_SOURCE
            brought = {"distribution": self.provider.distribution, "version": self.provider.version}
            decoder = {"name": name, **brought, **settings}
        return {
            "schema_version": version,
            "name": self.name,
            "task": self.task,
            "family": self.family,
            "created": self.created,
            "encoder": encoder,
            "decoder": decoder,
            "variants": {name: variant.to_json() for name, variant in self.variants.items()},
            "default_variant": self.default_variant,
            "metrics": dict(self.metrics),
            "provenance": dict(self.provenance),
            "golden": self.golden,
            "files": {
                name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in self.files.items()
            },
            **({} if self.reference is None else {"reference": dict(self.reference)}),
            **({} if self.source is None else {"source": self.source.to_json()}),
            **({} if self.measurement is None else {"measurement": dict(self.measurement)}),
        }

    @property
    def _says_more(self) -> bool:
        """Whether it holds anything that version 4 cannot say."""
        own = any(variant.decoder for variant in self.variants.values())
        return own or self.source is not None or self.measurement is not None

    @classmethod
    def from_json(cls, value: object) -> Manifest:
        """Read and check a manifest.

        Raises:
            BundleError: a key is missing, unknown or of the wrong type, or two parts contradict each other.
        """
        fields = Fields(upgrade(value), MANIFEST)
        version = fields.take("schema_version", int)
        encoder = dict(fields.mapping("encoder"))
        tokenizers = Fields(
            {name: encoder.pop(name) for name in ("tokenizer", "target_tokenizer") if name in encoder},
            f"{MANIFEST}: encoder",
        )
        decoder = dict(fields.mapping("decoder"))
        provider = _provider(decoder) if version > WITHOUT_PROVIDER else None
        variants = fields.mapping("variants")
        files = fields.mapping("files")
        manifest = cls(
            name=fields.text("name"),
            task=fields.text("task"),
            family=fields.text("family"),
            created=fields.text("created"),
            encoder=EncoderConfig.from_json(encoder, f"{MANIFEST}: encoder"),
            tokenizer=tokenizers.text("tokenizer"),
            decoder=decoder,
            variants={
                name: Variant.from_json(variant, f"{MANIFEST}: variants.{name:.60}", version)
                for name, variant in variants.items()
            },
            default_variant=fields.text("default_variant"),
            metrics=fields.mapping("metrics"),
            provenance=fields.mapping("provenance"),
            golden=fields.text("golden"),
            files={
                name: FileEntry.from_json(entry, f"{MANIFEST}: files.{name:.60}")
                for name, entry in files.items()
            },
            reference=fields.mapping("reference") if fields.has("reference") else None,
            target_tokenizer=tokenizers.text("target_tokenizer")
            if tokenizers.has("target_tokenizer")
            else None,
            provider=provider,
            source=TrainingSource.from_json(fields.mapping("source"), f"{MANIFEST}: source")
            if version > WITHOUT_SOURCE and fields.has("source")
            else None,
            measurement=fields.mapping("measurement")
            if version > WITHOUT_SOURCE and fields.has("measurement")
            else None,
        )
        fields.end()
        manifest._check()
        return manifest

    def _check(self) -> None:
        """Refuse names that are no plain file names, and parts that contradict each other."""
        for name in self.files:
            if not FILE_NAME.fullmatch(name) or name == MANIFEST:
                raise BundleError(
                    f"{name!r:.60} is no name for a file of a bundle", where=f"{MANIFEST}: files"
                )
        if len({name.lower() for name in self.files}) != len(self.files):
            raise BundleError("two names differ by case alone", where=f"{MANIFEST}: files")
        used = {*self.tokenizers, self.golden, MODEL_CARD}
        used.update(name for variant in self.variants.values() for name in variant.graphs.values())
        if used != set(self.files):
            odd = ", ".join(sorted(repr(name)[:60] for name in used ^ set(self.files)))
            raise BundleError(f"files and the parts that name them disagree on {odd}", where=MANIFEST)
        for name, variant in self.variants.items():
            if variant.bytes != sum(self.files[file].bytes for file in variant.graphs.values()):
                raise BundleError(
                    "'bytes' is not the size of its graphs", where=f"{MANIFEST}: variants.{name:.60}"
                )
        if self.default_variant not in self.variants:
            raise BundleError("'default_variant' is not one of the variants", where=MANIFEST)
        try:
            aware = datetime.fromisoformat(self.created).tzinfo is not None
        except ValueError:
            aware = False
        if not aware:
            raise BundleError("'created' is no ISO 8601 time with an offset", where=MANIFEST)


def _provider(decoder: dict[str, Any]) -> Provider:
    """Who brings the decoder; taken out of its section, which keeps name and settings."""
    where = f"{MANIFEST}: decoder"
    keys = [key for key in ("name", "distribution", "version") if key in decoder]
    fields = Fields({key: decoder[key] for key in keys}, where)
    fields.text("name")
    provider = Provider(fields.text("distribution"), fields.text("version"))
    if not _DISTRIBUTION.fullmatch(provider.distribution):
        raise fields.error("distribution", "is no name of a distribution")
    if not _VERSION.fullmatch(provider.version or ""):
        raise fields.error("version", "is no version of a distribution")
    del decoder["distribution"], decoder["version"]
    return provider


def parse_json(data: bytes, where: str) -> Any:  # noqa: ANN401 (whatever the JSON holds)
    """Strict JSON in UTF-8.

    Raises:
        BundleError: the bytes are not that.
    """
    try:
        return strict_json.loads(data.decode())
    except ValueError as error:
        raise BundleError(f"is not valid JSON: {str(error)[:120]}", where=where) from None
