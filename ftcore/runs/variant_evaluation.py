"""Measures the variants of a run's graphs through the runtime that will serve them, on the run's own rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ftcore.data.features import FeatureStore
from ftcore.evaluation.evaluate import groups_of
from ftcore.evaluation.policies import measure_policy, notes_of, with_and_without_policy
from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.families.export import Comparison, Responses, SupportsComparison
from ftcore.families.scoring import SupportsTuning
from ftcore.families.tuning import tuned
from ftcore.modeling.device import torch_device
from ftcore.runs.evaluation_inputs import EvaluationInputs, Outputs
from ftcore.runs.gates import Measured
from ftcore_export.invariance import measure_invariance
from ftcore_export.parity import compare
from ftcore_export.sensitivity import Graphs, Operator, fewest, mix, rank
from ftcore_export.speed import measure_speed, timed, warm_up
from ftcore_runtime.bundle import read_bundle
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.outputs import join_batches
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.reference import Reference
from ftcore_runtime.special_tokens import unknown_id

TIMED = 256  # validation rows that speed is measured on
_REFERENCE_ROWS = 2000
_RANKED = 64  # validation rows that operators are ranked on

#: Writes a bundle of one variant to a folder.
Draft = Callable[[Path, str, Graphs], Path]


class VariantEvaluation:
    """Measures variants, against what torch answers and on the run's own rows.

    Args:
        inputs: the run's rows and metrics.
        model, encoder: the fine-tuned one, in torch, and what it reads with.
        parity_rows: validation rows that are compared with torch.
        scratch: an empty folder.
        draft: writes bundles for measurement.
        known: what the model responds for the rows that are compared, if that is known.
    """

    def __init__(
        self,
        inputs: EvaluationInputs,
        model: torch.nn.Module,
        encoder: TextEncoder,
        parity_rows: int,
        scratch: Path,
        draft: Draft,
        known: Outputs | None = None,
    ) -> None:
        self.inputs = inputs
        self.encoder = encoder
        self.scratch = scratch
        self.draft = draft
        family, split = inputs.family, inputs.splits.validation
        rows = split.table.slice(0, parity_rows)
        features = FeatureStore.build(rows, family.model, encoder, scratch / "features.arrow")
        model.to(torch_device())  # a family's own comparison may ask it further
        if known is None:
            known = predict(model, family, features, inputs.batch_size)
        # What a model gives beyond what answers are made of is in no graph.
        read = make_decoder(family.scoring.decoder).outputs
        outputs = {name: values for name, values in known.items() if name in read}
        reference = outputs, family.scoring.answers(outputs, features, rows)
        ids = split.locations.slice(0, rows.num_rows).to_pylist()
        self._validation = family.reader.inputs(split.table)
        parts = self._validation[: rows.num_rows], self._validation[rows.num_rows :]
        self._parts = [part for part in parts if part]
        self._compare = _comparison(family, model, features, reference, ids)
        self._tested: dict[str, Sequence[Any]] = {}  # each measured variant's answers to the test rows

    def measure(self, name: str, graphs: Graphs, note: Mapping[str, Any]) -> Measured:
        """Everything that is measured of a variant."""
        folder = self.draft(self._folder(name), name, graphs)
        pipeline, load_seconds = timed(partial(Pipeline.load, folder))
        warm_up(pipeline, self._validation)
        parts, seconds = timed(partial(self._respond, pipeline))
        answered = len(self._validation), seconds
        own = self._own_family(name, pipeline.decoder.by_token, [outputs for outputs, _ in parts])
        decided = pipeline.with_decoder(make_decoder(own.scoring.decoder))
        tested, plain = self._test(decided)
        self._tested[name] = tested
        test = self.inputs.measure("test", tested)
        return Measured(
            bytes=sum(path.stat().st_size for path in graphs.values()),
            parity=self._compare(pipeline, parts[0]),
            validation=self.inputs.measure("validation", self._decide(decided, own, parts)),
            test=test,
            speed=measure_speed(pipeline, load_seconds, self._validation[:TIMED], answered),
            invariance=measure_invariance(pipeline, self._validation),
            note=note,
            decoder=self._own_settings(own),
            policy=self._policy(own, tested, test["metrics"], plain),
        )

    def _respond(self, pipeline: Pipeline) -> list[Responses]:
        """What a variant makes of the validation rows: of those that are compared with torch, then of the rest."""
        return [pipeline.respond(part, top_k=self.inputs.family.scoring.top_k) for part in self._parts]

    def _decide(self, pipeline: Pipeline, own: BoundFamily, parts: Sequence[Responses]) -> list[Any]:
        """The answers to the validation rows by the variant's own thresholds, without another run of its graphs."""
        if own is self.inputs.family:
            return [answer for _, answers in parts for answer in answers]
        decoder, top_k, decided = pipeline.decoder, own.scoring.top_k, []
        for inputs, (outputs, _) in zip(self._parts, parts, strict=True):
            decided += decoder.decode(outputs, decoder.prepare(inputs, pipeline.encoder), top_k)
        return decided

    def _own_family(self, name: str, by_token: bool, parts: Sequence[Outputs]) -> BoundFamily:
        """The family as it is tuned on this variant's own outputs for the validation rows.

        That of the run where the model was trained on these rows, and for fp32, which is what torch is.

        Args:
            by_token: whether the second axis of the outputs is that of the tokens.
        """
        family, rows = self.inputs.family, self.inputs.splits.validation.table
        known = name == "fp32" or self.inputs.saw_validation
        if known or not isinstance(family.scoring, SupportsTuning):
            return family
        path = self.scratch / "validation.arrow"
        features = FeatureStore.build(rows, family.model, self.encoder, path)
        lengths = features.lengths if by_token else None
        outputs = {key: join_batches([part[key] for part in parts], lengths) for key in parts[0]}
        return tuned(family, outputs, features, rows)

    def _own_settings(self, own: BoundFamily) -> dict[str, Any]:
        common = self.inputs.family.scoring.decoder
        return {key: value for key, value in own.scoring.decoder.items() if value != common.get(key)}

    def _policy(
        self, own: BoundFamily, tested: Sequence[Any], measured: Mapping[str, Any], plain: Sequence[Any]
    ) -> dict[str, Any]:
        """What the variant's policy is worth on the test rows; empty without one."""
        rows, reader = self.inputs.splits.test.table, self.inputs.family.reader
        return measure_policy(
            self.inputs.evaluator,
            make_decoder(own.scoring.decoder),
            reader.references(rows),
            tested,
            measured,
            plain,
            groups_of(reader, rows),
            notes_of(own.scoring),
        )

    def operators_to_keep(
        self, graphs: Graphs, good: Callable[[float], bool]
    ) -> tuple[dict[str, Path], list[str]]:
        """int8 graphs, and the fewest operators that had to stay in float for the validation metric to be `good`."""
        base = read_bundle(
            self.draft(self._folder("search"), "fp32", graphs),
            lambda manifest: [*manifest.tokenizers, manifest.golden],
        )
        files = base.manifest.variants["fp32"].graphs

        def load(candidate: Graphs) -> Pipeline:
            bytes_of = {files[role]: path.read_bytes() for role, path in candidate.items()}
            return Pipeline(dataclasses.replace(base, contents={**base.contents, **bytes_of}), "fp32")

        some = self._validation[:_RANKED]
        ranked = rank(graphs, lambda candidate: load(candidate).outputs(some), self.scratch)
        references = self.inputs.family.reader.references(self.inputs.splits.validation.table)

        def enough(keep: Sequence[Operator]) -> bool:
            answers = self._predict(load(mix(graphs, keep, self.scratch)), self._validation)
            return good(self.inputs.evaluator.values(references, answers)[self.inputs.metric])

        kept = fewest(ranked, enough)
        return mix(graphs, kept, self.scratch), [f"{role}: {name}" for role, name in kept]

    def drift_reference(self, name: str) -> dict[str, Any] | None:
        """Histograms of the first test rows by a measured variant, which a server compares its own requests with."""
        family, test = self.inputs.family, self.inputs.splits.test
        inputs = family.reader.inputs(test.table.slice(0, _REFERENCE_ROWS))
        if not inputs:
            return None
        decoder = make_decoder(family.scoring.decoder)
        prepared = decoder.prepare(inputs, self.encoder)
        answers = self._tested[name][: len(inputs)]
        return Reference.of(prepared, answers, decoder.labels, unknown_id(self.encoder.tokenizer)).to_json()

    def _folder(self, name: str) -> Path:
        return self.scratch / f"draft-{name}"

    def _predict(self, pipeline: Pipeline, inputs: list[Any]) -> list[Any]:
        return pipeline.predict(inputs, top_k=self.inputs.family.scoring.top_k)

    def _test(self, pipeline: Pipeline) -> tuple[Sequence[Any], Sequence[Any]]:
        """Answers to the test rows, with and without a policy."""
        family = self.inputs.family
        inputs = family.reader.inputs(self.inputs.splits.test.table)
        return with_and_without_policy(pipeline, inputs, family.scoring.top_k)


def _comparison(
    family: BoundFamily,
    model: torch.nn.Module,
    features: FeatureStore,
    reference: Responses,
    ids: Sequence[Any],
) -> Comparison:
    """What compares a pipeline with torch: the family's own way, or outputs and answers."""
    if isinstance(family.export, SupportsComparison):
        return family.export.comparison(model, features, reference, ids)
    return lambda _, candidate: compare(reference[0], candidate[0], reference[1], candidate[1], ids)
