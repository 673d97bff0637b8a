"""One ONNX graph, ready to run: an onnxruntime session with options that fit a service."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort

from ftcore_runtime.errors import BundleError
from ftcore_runtime.graph_check import check_graph
from ftcore_runtime.providers import Device, providers, require_device

_SILENT = 4  # fatal only: what goes wrong is raised as well, and reported once

#: Fusions of onnxruntime whose operators take longer than what they replace: with 768 tokens of 384 features a
#: SkipLayerNormalization 1.3 ms, an Add and a LayerNormalization 0.2 ms. That is a fifth of MiniLM's time in int8.
SLOWER = ["SkipLayerNormFusion", "BiasGeluFusion"]


class GraphSession:
    """Runs one graph.

    Args:
        data: the ONNX model's bytes.
        where: its file name, for error messages.
        inputs, outputs: see `expect`; outputs may be named later.
        threads: of one run. Several wait for each other by burning CPU: to be put to sleep and woken between
            operators takes longer than a second thread saves.
        device: where it runs.
        checked: whether `check_graph` has passed these bytes already; else it is asked first.

    Raises:
        BundleError: no graph, one with operators that are not allowed, or with other inputs or outputs.
        InputError: this onnxruntime, or this machine, has no such device.
    """

    def __init__(
        self,
        data: bytes,
        where: str,
        *,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        threads: int = 1,
        device: Device = "cpu",
        checked: bool = False,
    ) -> None:
        if not checked:
            check_graph(data, where)
        wanted = providers(device)
        self._run_options = ort.RunOptions()
        self.where = where
        options = session_options(threads)
        try:
            self._session = ort.InferenceSession(
                data,
                options,
                providers=wanted,
                disabled_optimizers=SLOWER,
                enable_fallback=0,  # to the provider it has already, with a print
            )
        except Exception as error:  # onnxruntime's own classes share no narrower base
            raise BundleError(
                f"is no ONNX graph that onnxruntime loads: {_brief(error)}", where=where
            ) from error
        require_device(device, self._session.get_providers())
        #: The graph's inputs, name -> sizes of their axes; a dynamic one is a name.
        self.shapes = {node.name: list(node.shape) for node in self._session.get_inputs()}
        #: The same of its outputs.
        self.output_shapes = {node.name: list(node.shape) for node in self._session.get_outputs()}
        self.expect(inputs, outputs)

    def expect(self, inputs: Sequence[str] | None, outputs: Sequence[str]) -> None:
        """Require the graph's inputs and outputs to have these names, and read these outputs from now on.

        Args:
            inputs: names of the graph's inputs, all int64, in any order; it may have any unless given.
            outputs: names of the outputs to be read, first axis the rows.

        Raises:
            BundleError: it has others.
        """
        found = {node.name: node.type for node in self._session.get_inputs()}
        if inputs is not None and found != dict.fromkeys(inputs, "tensor(int64)"):
            raise BundleError(f"its inputs are {found}, not int64 {', '.join(inputs)}", where=self.where)
        if missing := [name for name in outputs if name not in self.output_shapes]:
            made = ", ".join(self.output_shapes)
            raise BundleError(f"has no output {missing[0]!r}, only {made}", where=self.where)
        self.outputs = list(outputs)

    def run(
        self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The outputs by name, for inputs by name; neither is copied where arrays are contiguous.

        Args:
            outputs: those to be read; the session's unless given.

        Raises:
            BundleError: the graph fails on these inputs (a token id outside its vocabulary, ...).
        """
        names = self.outputs if outputs is None else list(outputs)
        try:
            return dict(zip(names, self._session.run(names, dict(feeds), self._run_options), strict=True))
        except Exception as error:  # onnxruntime's own classes share no narrower base
            raise BundleError(f"the graph failed: {_brief(error)}", where=self.where) from error

    def stop(self) -> None:
        """Let all runs fail, those that have begun at their next operator."""
        self._run_options.terminate = True


def session_options(threads: int) -> ort.SessionOptions:
    """How a checked graph is loaded: as ONNX, and with nothing outside its bytes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1  # an encoder is one chain of operators
    options.log_severity_level = _SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(threads > 1)))
    # Bytes may be onnxruntime's own format, which was not looked into.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # A graph from bytes may name files for its weights, read from the working directory unverified: from
    # here none is found.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options


def _brief(error: Exception) -> str:
    text = str(error)
    if "bad_alloc" in text or "Failed to allocate memory" in text:
        return "there is not enough memory for it"
    return text.splitlines()[0][:200]
