"""What MLflow imports to load a bundle that `ftcore package mlflow` has put into a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore_runtime.inputs import join_columns
from ftcore_runtime.pipeline import Pipeline


class Scorer:
    """MLflow's idea of a model: tables in, answers out.

    Args:
        pipeline: it answers.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: ANN401 (what MLflow takes)
        """One answer, as JSON, for each row.

        Args:
            model_input: a data frame or a mapping of lists whose columns are the task's fields (or, of one field, any
                column); or a list, Series or array of texts or of mappings.
        """
        columns = self._columns(model_input)
        return [answer.to_json() for answer in self._pipeline.predict(join_columns(columns))]

    def _columns(self, given: Any) -> list[list[Any]]:  # noqa: ANN401
        """The values of each field that is given, in the task's order."""
        fields = self._pipeline.fields
        if isinstance(given, str):
            return [[given]]
        if hasattr(given, "columns"):
            given = {name: given[name].tolist() for name in given.columns}
        if isinstance(given, Mapping):
            named = [given[field] for field in fields if field in given] or [*given.values()][:1]
            # MLflow puts the whole list of a mapping into one cell.
            return [
                values[0] if len(values) == 1 and isinstance(values[0], list) else values for values in named
            ]
        rows = given.tolist() if hasattr(given, "tolist") else list(given)
        if rows and isinstance(rows[0], Mapping):
            return [[row[field] for row in rows] for field in fields if field in rows[0]]
        return [rows]


def _load_pyfunc(data_path: str) -> Scorer:
    """The name and the argument are MLflow's."""
    return Scorer(Pipeline.load(data_path))
