"""`Pipeline`: a bundle that answers. Texts in, typed answers out, in the order of the inputs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from ftcore_runtime.answers import Answer
from ftcore_runtime.bundle import Bundle, reading_bundle
from ftcore_runtime.cpus import cpu_count
from ftcore_runtime.decoders import Decoder, Prepared
from ftcore_runtime.errors import BundleError, InputError
from ftcore_runtime.generation.generator import Generator
from ftcore_runtime.generation.texts import GrowingText
from ftcore_runtime.golden import GOLDEN_CANDIDATES, Golden
from ftcore_runtime.graph_check import check_graph
from ftcore_runtime.inputs import Input
from ftcore_runtime.manifest import Manifest, parse_json
from ftcore_runtime.one_pass import OnePass
from ftcore_runtime.providers import Device
from ftcore_runtime.session import GraphSession
from ftcore_runtime.signature import PublicKey

if TYPE_CHECKING:
    from ftcore_runtime.explanations.explanation import Explanation

#: Batches whose texts are tokenised and sorted by length together when a stream is answered.
STREAM_BATCHES = 64
_NUMBERS_AT_ONCE = 2**21  # probabilities of labels that are in memory at a time, as Python's own numbers


class Pipeline:
    """One variant of a bundle, loaded. Build it with `load`; it may be shared between threads.

    Args:
        bundle: verified, with the contents of tokenizers, golden examples and the variant's graph kept.
        variant: which graphs answer.
        threads: at work at a time; the CPUs that this process may use unless given.
        run_threads: of them, those that share one run of a graph. With 1 several batches run in parallel; more
            answer one long text at a time sooner, in a service that has nothing else to do.
        device: where the graphs run.

    Raises:
        InputError: fewer than one thread, more of them for a run than there are, or a device that is not there.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: str,
        *,
        threads: int | None = None,
        run_threads: int = 1,
        device: Device = "cpu",
    ) -> None:
        if threads is None:
            threads = cpu_count()
        if threads < 1:
            raise InputError(f"must be at least 1, got {threads}", where="threads")
        if not 1 <= run_threads <= threads:
            raise InputError(
                f"a run has at least 1 thread and no more than there are, got {run_threads} of {threads}",
                where="run_threads",
            )
        self.manifest: Manifest = bundle.manifest
        self.variant = variant
        self.decoder = self.manifest.make_decoder(variant)
        graphs = self.manifest.variants[variant].graphs
        if set(graphs) != set(self.decoder.graphs):
            raise BundleError(
                f"expected the graphs {', '.join(self.decoder.graphs)}, got {', '.join(graphs)}",
                where=str(bundle.folder),
            )
        for name in graphs.values():
            check_graph(bundle.contents[name], name)

        def load(role: str) -> GraphSession:
            name = graphs[role]
            return GraphSession(bundle.contents[name], name, threads=run_threads, device=device, checked=True)

        # Another thread reads the tokenizers meanwhile, not the graphs: malloc would keep their memory apart.
        with ThreadPoolExecutor(1, "tokenizers") as pool:
            reading = pool.submit(bundle.text_encoder)
            loaded = {role: load(role) for role in graphs}
            self.encoder = reading.result()

        self._sessions: list[GraphSession] = []

        def open_graph(
            role: str, *, inputs: Sequence[str] | None = None, outputs: Sequence[str]
        ) -> GraphSession:
            session = loaded.pop(role, None) or load(role)  # of a graph that is opened twice, a second one
            session.expect(inputs, outputs)
            self._sessions.append(session)
            return session

        self._runner = self.decoder.runner(open_graph, self.encoder, threads // run_threads)
        self._golden = bundle.contents[self.manifest.golden]

    @classmethod
    def load(
        cls,
        path: str | Path,
        variant: str | None = None,
        *,
        threads: int | None = None,
        run_threads: int = 1,
        device: Device = "cpu",
        signed_by: PublicKey | None = None,
    ) -> Self:
        """Verify the bundle folder at `path` and load one of its variants (its default one unless named).

        `threads`, `run_threads` and `device` are the class's.

        Args:
            signed_by: whose signature the bundle must have; none is looked for unless given.

        Raises:
            BundleError: not a bundle, a damaged or changed one, one without this variant, or not signed.
            InputError: see the class.
        """

        def needed(manifest: Manifest) -> list[str]:
            chosen = variant or manifest.default_variant
            if chosen not in manifest.variants:
                raise BundleError(
                    f"has no variant {chosen!r}",
                    where=str(path),
                    hint=f"it has {', '.join(manifest.variants)}",
                )
            return [*manifest.tokenizers, manifest.golden, *manifest.variants[chosen].graphs.values()]

        with reading_bundle(path, needed) as bundle:
            if signed_by is not None:
                signed_by.verify(bundle)
            return cls(
                bundle,
                variant or bundle.manifest.default_variant,
                threads=threads,
                run_threads=run_threads,
                device=device,
            )

    def with_decoder(self, decoder: Decoder) -> Self:
        """The same graphs with other settings of the decoder, which is of the same kind."""
        made = copy.copy(self)
        made.decoder = decoder
        return made

    @property
    def task(self) -> str:
        """The task's id."""
        return self.manifest.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names; none where the task has none."""
        return self.decoder.labels

    @property
    def fields(self) -> tuple[str, ...]:
        """What the texts of an input are called."""
        return self.decoder.fields

    @property
    def required(self) -> int:
        """How many of them, from the first on, an input must have."""
        return self.decoder.required

    @property
    def generates(self) -> bool:
        """Whether its answers are texts, generated token by token."""
        return isinstance(self._runner, Generator)

    @property
    def generator(self) -> Generator:
        """What writes the texts of a bundle that does.

        Raises:
            InputError: this one does not.
        """
        if not isinstance(self._runner, Generator):
            raise InputError(f"a bundle of the task {self.task!r} generates no texts")
        return self._runner

    @property
    def session(self) -> GraphSession:
        """The one graph of a bundle that answers in one pass.

        Raises:
            InputError: this one generates its answers token by token.
        """
        if not isinstance(self._runner, OnePass):
            raise InputError(f"a bundle of the task {self.task!r} generates texts, token by token")
        return self._runner.session

    def write_stream(self, text: str) -> Iterator[str]:
        """The greedy answer to one text, piece by piece as it is generated; `predict` gives the same with one beam.

        Raises:
            InputError: the text is empty, or the bundle generates no texts.
        """
        return filter(None, self.pieces(self.decoder.prepare([text], self.encoder)))

    def pieces(self, prepared: Prepared) -> Iterator[str]:
        """What each token adds to the greedy answer to the first input of `decoder.prepare`; nothing, of a token that
        ends no character. A last piece may come after all tokens.

        Raises:
            InputError: the bundle generates no texts.
        """
        growing = GrowingText(self.encoder.target.tokenizer)
        yield from map(growing.add, self.generator.stream(prepared))
        yield growing.rest()

    def predict(
        self, inputs: Sequence[Input], batch_size: int = 32, top_k: int | None = None
    ) -> list[Answer]:
        """Answer each input: a text, the texts of `fields` in their order, or a mapping of `fields` to texts.

        Texts of similar length share a batch of at most `batch_size`; so do the windows of long contexts, whichever
        input they are of. Batch-mates do not change an answer, beyond rounding.

        Args:
            top_k: the most probable labels (most probable first) or candidates that an answer carries; unless given,
                all labels, and no candidates.

        Raises:
            InputError: an input that is no text, or an empty one; the message names its index.
        """
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k must be at least 1, got {top_k}")
        prepared = self.decoder.prepare(inputs, self.encoder)
        if not len(prepared.encoded):
            return []
        return self.answer(prepared, batch_size, top_k)

    def answer(self, prepared: Prepared, batch_size: int = 32, top_k: int | None = None) -> list[Answer]:
        """Answers to what `decoder.prepare` made of at least one input."""
        outputs = self._runner.run(prepared, _checked(batch_size), scored=(top_k or 1) > 1)
        return self.decoder.decode(outputs, prepared, top_k)

    def outputs(self, inputs: Sequence[Input], batch_size: int = 32) -> dict[str, np.ndarray]:
        """What answers are made of, name -> [features, ...], in the order of the inputs: the graph's own outputs, or
        the ids and scores of generated texts.

        Raises:
            InputError: as `predict` does, and where there are no inputs.
        """
        prepared = self.decoder.prepare(inputs, self.encoder)
        if not len(prepared.encoded):
            raise InputError("there are no inputs")
        return self._runner.run(prepared, _checked(batch_size), scored=True)

    def respond(
        self, inputs: Sequence[Input], batch_size: int = 32, top_k: int | None = None
    ) -> tuple[dict[str, np.ndarray], list[Answer]]:
        """What `outputs` and `predict` give, of one run of the graphs.

        Raises:
            InputError: as `outputs` does.
        """
        prepared = self.decoder.prepare(inputs, self.encoder)
        if not len(prepared.encoded):
            raise InputError("there are no inputs")
        outputs = self._runner.run(prepared, _checked(batch_size), scored=True)
        return outputs, self.decoder.decode(outputs, prepared, top_k)

    def explain(
        self,
        item: Input,
        targets: Sequence[str] = (),
        *,
        faithfulness: bool = True,
        batch_size: int = 32,
    ) -> Explanation:
        """Why the input gets its answer: how much of its score is lost without each word (see `occlude`); of a text
        that is generated, how much each of its words loses (see `explain_generated`).

        Args:
            targets: labels, texts of spans, or what else could be answered; what the answer says if there are none.
            faithfulness: whether to measure that the words that count are those; it is not of generated texts.

        Raises:
            InputError: the input cannot be answered, is one word only, or could not be answered with a target.
        """
        # Words are found by tables that take long to load, and few ask.
        from ftcore_runtime.explanations.generated import explain_generated
        from ftcore_runtime.explanations.occlusion import candidates_needed, drive, occlude

        if self.generates:
            return explain_generated(self.decoder, self.generator, self.encoder, item, targets)
        top_k = candidates_needed(self.decoder)
        steps = occlude(self.decoder, item, targets, faithfulness=faithfulness)
        return drive(steps, lambda inputs: self.predict(inputs, batch_size, top_k))

    def stream(
        self, inputs: Iterable[Input], batch_size: int = 32, top_k: int | None = None
    ) -> Iterator[Answer]:
        """Answer any number of inputs, reading `STREAM_BATCHES` batches ahead and no more, or fewer of many labels."""
        source = iter(inputs)
        while chunk := list(islice(source, self.rows_at_once(batch_size))):
            yield from self.predict(chunk, batch_size, top_k)

    def rows_at_once(self, batch_size: int) -> int:
        """Rows to sort by length and answer together: as many as help, and fit in memory with a number a label."""
        return min(batch_size * STREAM_BATCHES, max(batch_size, _NUMBERS_AT_ONCE // max(1, len(self.labels))))

    def stop(self) -> None:
        """Answer no more: whatever runs in other threads fails at its next operator, with BundleError."""
        for session in self._sessions:
            session.stop()

    def selftest(self) -> int:
        """Replay the golden examples; returns how many there are.

        Raises:
            BundleError: an answer is not the one that the bundle gave when it was written.
        """
        where = self.manifest.golden
        golden = Golden.from_json(parse_json(self._golden, where), where)
        top_k = max(GOLDEN_CANDIDATES, len(self.labels))
        golden.check(self.variant, [self.predict([item], top_k=top_k)[0] for item in golden.inputs], where)
        return len(golden.inputs)


def _checked(batch_size: int) -> int:
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    return batch_size
