"""Triton's Python backend runs this as `model.py`: texts to answers, by way of the graph next to it, or of a pipeline
here where the model's configuration names a variant, as that of a bundle that generates texts does.

Its interpreter needs `ftcore[serve]`, and the distribution that the bundle's decoder comes with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

from ftcore_runtime.answers import Answer
from ftcore_runtime.bundle import read_bundle
from ftcore_runtime.errors import UserError
from ftcore_runtime.inputs import Input, join_columns
from ftcore_runtime.outputs import join_batches
from ftcore_runtime.pipeline import Pipeline
from ftcore_server.tensors import output_tensors

_MAX_BATCH = 64  # features of one call of the graph


class TritonPythonModel:
    """What the backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read tokenizer and decoder out of the bundle, or all of it."""
        folder = Path(args["model_repository"]) / args["model_version"] / "bundle"
        given = json.loads(args["model_config"]).get("parameters", {})
        self.pipeline = None
        variant = given["variant"]["string_value"]
        if "threads" in given:
            self.pipeline = Pipeline.load(folder, variant, threads=int(given["threads"]["string_value"]))
        bundle = read_bundle(folder, lambda manifest: manifest.tokenizers)
        self.encoder = bundle.text_encoder()
        self.decoder = bundle.manifest.make_decoder(variant)
        self.graph = f"{args['model_name']}_graph"

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:  # noqa: ANN401 (the backend's own types)
        try:
            tensors = output_tensors(self._answers(self._inputs(request)), self.decoder.labels)
        except UserError as error:
            return triton.InferenceResponse(error=triton.TritonError(error.what))
        made = [
            triton.Tensor(
                tensor.name,
                np.array([text.encode() for text in tensor.values], object).reshape(tensor.shape)
                if tensor.datatype == "BYTES"
                else tensor.values,
            )
            for tensor in tensors
        ]
        return triton.InferenceResponse(output_tensors=made)

    def _inputs(self, request: Any) -> list[Input]:  # noqa: ANN401
        columns = []
        for field in self.decoder.fields:
            tensor = triton.get_input_tensor_by_name(request, field)
            if tensor is not None:
                columns.append([text.decode() for text in tensor.as_numpy().ravel().tolist()])
        return join_columns(columns)

    def _answers(self, inputs: list[Input]) -> list[Answer]:
        if self.pipeline is not None:
            return self.pipeline.predict(inputs)
        prepared = self.decoder.prepare(inputs, self.encoder)
        encoded = prepared.encoded
        starts = range(0, len(encoded), _MAX_BATCH)
        batches = [
            self._run(self.encoder.collate(encoded, range(start, min(start + _MAX_BATCH, len(encoded)))))
            for start in starts
        ]
        lengths = encoded.lengths if self.decoder.by_token else None
        side = self.encoder.config.pad_side
        outputs = {
            name: join_batches([batch[name] for batch in batches], lengths, side)
            for name in self.decoder.outputs
        }
        return self.decoder.decode(outputs, prepared)

    def _run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        response = triton.InferenceRequest(
            model_name=self.graph,
            requested_output_names=list(self.decoder.outputs),
            inputs=[triton.Tensor(name, array) for name, array in feeds.items()],
        ).exec()
        if response.has_error():
            raise UserError("the graph failed")
        return {
            name: triton.get_output_tensor_by_name(response, name).as_numpy() for name in self.decoder.outputs
        }
