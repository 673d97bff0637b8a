"""What a server is started with: address, limits, batching. Every number has a default fit for one small machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from ftcore_runtime.parallel_batches import BATCH_TOKENS
from ftcore_runtime.providers import Device
from ftcore_runtime.signature import PublicKey


@dataclass(frozen=True)
class Limits:
    """What a client may send, and how long anything may take. Beyond them is an error, never a crash.

    Args:
        body_bytes: of a body as sent; `decompressed_bytes` once decompressed.
        head_bytes: request line and headers together.
        response_bytes: of a response.
        memory_bytes: of the bodies and responses of all requests together, from a body's first byte until the client
            has taken its response; a body counts as sent, as decompressed and as text.
        json_depth: nesting of a JSON body.
        json_parts: strings, brackets and commas of a JSON body.
        json_escapes: backslashes of a JSON body. The parser takes each by itself, and nothing else runs meanwhile.
        inputs: inputs of one request.
        characters: of one text.
        tokens: of all features (an input, or a window of one) of a request.
        connections: open at a time; further ones are answered 503.
        head_seconds, body_seconds: to receive headers and body, whole.
        response_seconds: for the client to take what is sent, a response or a piece of a stream.
        idle_seconds: an unused connection is kept open.
        request_seconds: from the whole body to the answer, parsing and waiting included; a client may ask for less
            (`X-Request-Timeout`, in seconds), not for more.
    """

    body_bytes: int = 2 * 2**20
    decompressed_bytes: int = 4 * 2**20
    head_bytes: int = 16 * 2**10
    response_bytes: int = 16 * 2**20
    memory_bytes: int = 256 * 2**20
    json_depth: int = 16
    json_parts: int = 8192
    json_escapes: int = 2**19
    inputs: int = 256
    characters: int = 100_000
    tokens: int = 2**17
    connections: int = 2048
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    response_seconds: float = 60.0
    idle_seconds: float = 30.0
    request_seconds: float = 30.0


@dataclass(frozen=True)
class Batching:
    """How the inputs of several requests share batches.

    Args:
        tokens: padded tokens of a batch, at most (a longer input has a batch of its own).
        delay_seconds: a free worker waits this long after an input's arrival for batch-mates. With 0 it takes what
            is there: under load the queue fills while the worker works.
        texts: that are written together, at most. An answer comes when the longest of its batch is written, or piece
            by piece.
        queue: inputs that wait or are being answered, at most, in each version; beyond is 429.
        workers: batches that run at a time, in each version; they share one session, so weights are there once. As
            many as there are CPUs for if None.
        threads: of one batch. More than 1 answers single long texts sooner and takes from everything else.
    """

    tokens: int = BATCH_TOKENS
    delay_seconds: float = 0.0
    texts: int = 16
    queue: int = 1024
    workers: int | None = None
    threads: int = 1


@dataclass(frozen=True)
class Loading:
    """What a new version may take before it is served, and an old one after it was.

    Args:
        seconds: to load and self-test a bundle.
        memory_bytes: to do so; 1 GiB and 8 times the size of its files if None.
        retire_seconds: for the last requests of a version that was replaced.
    """

    seconds: float = 120.0
    memory_bytes: int | None = None
    retire_seconds: float = 120.0


@dataclass(frozen=True)
class Settings:
    """All of it.

    Args:
        host, port: port 0 takes a free one.
        token: what `Authorization: Bearer` must carry; nobody is asked if None.
        processes: that answer, each with limits and batches of its own; the weights are in memory once.
        drain_seconds: after SIGTERM, for load balancers to look elsewhere: requests are still taken.
        grace_seconds: after that, for accepted requests to be answered.
        variant: which graphs answer; each bundle's default if None.
        device: where they run.
        signed_by: whose signature every bundle must have, at the start and at every reload; None asks for none.
        page: whether `/` is the page to try the models with.
        sagemaker: whether there are the two routes that SageMaker asks of a container, too.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    processes: int = 1
    token: str | None = field(default=None, repr=False)
    drain_seconds: float = 1.0
    grace_seconds: float = 30.0
    variant: str | None = None
    device: Device = "cpu"
    signed_by: PublicKey | None = None
    page: bool = True
    sagemaker: bool = False
    limits: Limits = field(default_factory=Limits)
    batching: Batching = field(default_factory=Batching)
    loading: Loading = field(default_factory=Loading)
