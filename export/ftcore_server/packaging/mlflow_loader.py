"""What MLflow imports to load a bundle that `ftcore package mlflow` has put into a model."""

from __future__ import annotations

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

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: ANN401 (a data frame)
        """One answer, as JSON, for each row of a data frame whose columns are the task's fields."""
        names = [field for field in self._pipeline.fields if field in model_input.columns]
        columns = [model_input[name].tolist() for name in names]
        return [answer.to_json() for answer in self._pipeline.predict(join_columns(columns))]


def _load_pyfunc(data_path: str) -> Scorer:
    """The name and the argument are MLflow's."""
    return Scorer(Pipeline.load(data_path))
