"""The peers of `benchmarks/serving.py`: the same graph, tokenizer and session options behind other servers.

Runs in a virtual environment of the peer's own: `python serving_peers.py PEER BUNDLE PORT THREADS`. Each has its own
dynamic batching on. Nothing of ftcore is imported.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

MAX_BATCH = 32
BATCH_SECONDS = 0.002


class Model:
    """Texts to labels with their probabilities."""

    def __init__(self, bundle: str, threads: int) -> None:
        folder = Path(bundle)
        manifest = json.loads((folder / "bundle.json").read_text())
        self.labels = manifest["decoder"]["labels"]
        encoder = manifest["encoder"]
        self.tokenizer = Tokenizer.from_file(str(folder / encoder["tokenizer"]))
        self.tokenizer.enable_truncation(encoder["max_length"])
        self.tokenizer.enable_padding(pad_id=encoder["pad_id"])
        self.inputs = encoder["inputs"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = manifest["variants"][manifest["default_variant"]]["graphs"]["model"]
        self.session = ort.InferenceSession(str(folder / graph), options)

    def __call__(self, texts: list[str]) -> list[dict[str, Any]]:
        """One answer a text."""
        encoded = self.tokenizer.encode_batch(texts)
        arrays = {
            "input_ids": [item.ids for item in encoded],
            "attention_mask": [item.attention_mask for item in encoded],
            "token_type_ids": [item.type_ids for item in encoded],
        }
        (logits,) = self.session.run(None, {name: np.array(arrays[name], np.int64) for name in self.inputs})
        powers = np.exp(logits - logits.max(1, keepdims=True))
        shares = powers / powers.sum(1, keepdims=True)
        return [
            {"label": self.labels[row.argmax()], "scores": dict(zip(self.labels, row.tolist(), strict=True))}
            for row in shares
        ]


if "LITSERVE_BUNDLE" in os.environ:
    import litserve

    class Api(litserve.LitAPI):  # type: ignore[misc]  # a base without types
        """LitServe with `max_batch_size` and `batch_timeout`."""

        def setup(self, device: str) -> None:
            """Load it."""
            self.model = Model(os.environ["LITSERVE_BUNDLE"], int(os.environ["LITSERVE_THREADS"]))

        # LitServe takes an annotation here for a query parameter of that type.
        def decode_request(self, request) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
            """The text."""
            found: str = request["text"]
            return found

        def predict(self, texts: list[str]) -> list[dict[str, Any]]:
            """One answer a text."""
            return self.model(list(texts))

        def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
            """As it is."""
            return output


def serve_litserve(bundle: str, port: int, threads: int) -> None:
    """A server with one worker."""
    import litserve

    api = Api(max_batch_size=MAX_BATCH, batch_timeout=BATCH_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")


if "BENTO_BUNDLE" in os.environ:
    import bentoml

    @bentoml.service(workers=1, logging={"access": {"enabled": False}})
    class Service:
        """BentoML with adaptive batching."""

        def __init__(self) -> None:
            self.model = Model(os.environ["BENTO_BUNDLE"], int(os.environ["BENTO_THREADS"]))

        @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
        def predict(self, texts: list[str]) -> list[dict[str, Any]]:
            """One answer a text."""
            return self.model(texts)


def serve_bentoml(bundle: str, port: int, threads: int) -> None:
    """`bentoml serve` of this very file."""
    os.chdir(Path(__file__).parent)
    environment = {**os.environ, "BENTO_BUNDLE": bundle, "BENTO_THREADS": str(threads)}
    environment["BENTOML_DO_NOT_TRACK"] = "true"
    command = ["-m", "bentoml", "serve", "serving_peers:Service", "--host", "127.0.0.1", "--port", str(port)]
    os.execve(sys.executable, [sys.executable, *command], environment)


if "MLSERVER_BUNDLE" in os.environ:
    from mlserver import MLModel
    from mlserver.codecs import StringCodec
    from mlserver.types import InferenceRequest, InferenceResponse

    class Served(MLModel):  # type: ignore[misc]  # a base without types
        """MLServer with adaptive batching (`max_batch_size`, `max_batch_time`)."""

        async def load(self) -> bool:
            """Load it."""
            self.model = Model(os.environ["MLSERVER_BUNDLE"], int(os.environ["MLSERVER_THREADS"]))
            return True

        async def predict(self, payload: InferenceRequest) -> InferenceResponse:
            """One answer a text."""
            answers = self.model(StringCodec.decode_input(payload.inputs[0]))
            output = StringCodec.encode_output("answer", [json.dumps(answer) for answer in answers])
            return InferenceResponse(model_name=self.name, outputs=[output])


def serve_mlserver(bundle: str, port: int, threads: int) -> None:
    """`mlserver start` of a folder with its settings."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
    (folder / "settings.json").write_text(
        json.dumps({"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2,
                    "parallel_workers": 0, "debug": False})
    )  # fmt: skip
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "model", "implementation": "serving_peers.Served",
                    "max_batch_size": MAX_BATCH, "max_batch_time": BATCH_SECONDS})
    )  # fmt: skip
    environment = {**os.environ, "MLSERVER_BUNDLE": bundle, "MLSERVER_THREADS": str(threads)}
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    script = str(Path(sys.executable).with_name("mlserver"))
    os.execve(script, [script, "start", str(folder)], environment)


if __name__ == "__main__":
    peer, where, at, width = sys.argv[1:]
    # Again, so that its class is there to be pickled.
    if peer == "litserve" and "LITSERVE_BUNDLE" not in os.environ:
        os.environ |= {"LITSERVE_BUNDLE": where, "LITSERVE_THREADS": width}
        os.execv(sys.executable, [sys.executable, *sys.argv])
    {"litserve": serve_litserve, "bentoml": serve_bentoml, "mlserver": serve_mlserver}[peer](
        where, int(at), int(width)
    )
