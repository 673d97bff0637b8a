"""What a bundle says of how labelled rows are measured: written at export, read wherever it is measured again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ftcore.errors import BundleError, UserError
from ftcore.evaluation.evaluate import Evaluator
from ftcore.families.bound import BoundFamily
from ftcore.plugins import PluginRegistry
from ftcore.spec.sections import Spec
from ftcore.task import LoadedTask
from ftcore_runtime.manifest import MANIFEST, Manifest


def measurement_of(family: BoundFamily, metric: str) -> dict[str, Any]:
    """As the manifest has it: the spec and what was learnt, without any rows of the training.

    Args:
        family: fitted.
        metric: the monitored one.
    """
    assert family.fitted is not None
    content = family.spec.model_dump(mode="json")
    data = content["data"]
    if data["train"]["rows"] is not None:
        data["train"] = {"path": "data.train.rows"}
    # A bundle names no file of its training.
    checks = content["checks"]
    checks["invariance"] = [one for one in checks["invariance"] if not isinstance(one["pairs"], str)]
    data |= {"validation": None, "test": None}
    return {"spec": content, "fitted": family.fitted.to_json(), "metric": metric}


@dataclass(frozen=True)
class Measurement:
    """How a bundle's answers are measured: with the code, the metrics and the intervals of its run.

    Args:
        task: with the hooks of its plugin.
        family: with the spec of the run and what was learnt.
        metric: the monitored one.
    """

    task: LoadedTask
    family: BoundFamily
    metric: str

    @classmethod
    def of(cls, manifest: Manifest, plugins: PluginRegistry) -> Measurement:
        """What a bundle says.

        Raises:
            UserError: nothing, or what the plugin that is installed now cannot read.
        """
        given = manifest.measurement
        if given is None:
            raise UserError(
                "the bundle does not say how its task is measured: it was exported before bundles did",
                where=MANIFEST,
                hint="export its run again",
            )
        task = plugins.load(manifest.task)
        try:
            metric: str = given["metric"]
            family = BoundFamily(task.family, task.task.spec.model_validate(given["spec"]))
            return cls(task, family.with_fitted(family.reader.restore(given["fitted"])), metric)
        except (KeyError, TypeError, ValueError) as error:
            what = (
                f"'measurement' does not fit the plugin of `{manifest.task}` that is installed now: {error}"
            )
            raise BundleError(what, where=MANIFEST) from error

    @property
    def columns(self) -> Mapping[str, str]:
        """Columns of a labelled row: the reader's field -> the source's name."""
        return self.family.reader.columns

    def reading(self, columns: Mapping[str, str]) -> Measurement:
        """The same for a source whose columns have other names: field of `columns` -> name."""
        if not columns:
            return self
        data = self.family.spec.data
        names = data.columns.model_copy(update=dict(columns))  # type: ignore[attr-defined]  # every family has some
        spec = self.family.spec.model_copy(update={"data": data.model_copy(update={"columns": names})})
        return replace(self, family=replace(self.family, spec=spec))

    @property
    def evaluator(self) -> Evaluator:
        """Measures with the metrics of family and plugin, and with as many resamples as the run."""
        spec: Spec = self.family.spec
        return Evaluator(
            self.family,
            self.task.hooks,
            resamples=spec.evaluation.bootstrap,
            confidence=spec.evaluation.confidence,
        )
