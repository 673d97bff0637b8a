"""What `/metrics` shows, in Prometheus' format. Label values are names of ours, never text of a client's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_SHARES = tuple(step / 10 for step in range(1, 11))

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "ftcore_requests", "Requests answered", ["route", "model", "status"], registry=registry
        )
        self.seconds = Histogram(
            "ftcore_request_seconds",
            "Seconds from a request's headers to its answer",
            ["route", "model"],
            buckets=_SECONDS,
            registry=registry,
        )
        version = ["model", "version"]
        self.queue = Gauge(
            "ftcore_queue_inputs", "Inputs waiting or being answered", version, registry=registry
        )
        self.batch_size = Histogram(
            "ftcore_batch_features", "Features of a batch", version, buckets=_SIZES, registry=registry
        )
        self.batch_tokens = Histogram(
            "ftcore_batch_tokens", "Tokens of a batch, padded", version, buckets=_TOKENS, registry=registry
        )
        self.first_token = Histogram(
            "ftcore_first_token_seconds",
            "Seconds from a stream's request to its first token",
            version,
            buckets=_SECONDS,
            registry=registry,
        )
        self.streamed = Counter(
            "ftcore_streamed_tokens", "Tokens of answers that were streamed", version, registry=registry
        )
        self.rejections = Counter(
            "ftcore_rejections",
            "Requests turned away, and streams broken off, by reason",
            ["reason"],
            registry=registry,
        )
        self.predictions = Counter(
            "ftcore_predictions", "Answers, by label", [*version, "label"], registry=registry
        )
        self.cut = Counter(
            "ftcore_cut_inputs",
            "Inputs longer than the model reads, which lost their end",
            version,
            registry=registry,
        )
        self.confidence = Histogram(
            "ftcore_confidence", "Probability of answers", version, buckets=_SHARES, registry=registry
        )
        self.drift = Gauge(
            "ftcore_drift_psi",
            "Population stability index against the evaluation",
            [*version, "measure"],
            registry=registry,
        )
        self.held = Gauge("ftcore_held_bytes", "Bytes of bodies and responses in memory", registry=registry)
        self.reloads = Counter("ftcore_reloads", "Reloads, by result", ["result"], registry=registry)

    def forget(self, model: str, version: str) -> None:
        """Drop the series of a version that is served no more."""
        for metric in (
            self.queue, self.batch_size, self.batch_tokens, self.first_token, self.streamed, self.predictions,
            self.confidence, self.cut, self.drift,
        ):  # fmt: skip
            metric.remove_by_labels({"model": model, "version": version})

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)
