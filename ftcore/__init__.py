"""ftcore: one YAML file in, a measured and tested ONNX bundle out.

    import ftcore

    run = ftcore.run("spec.yaml", training={"epochs": 2})
    run.metrics["accuracy"].value
    run.bundle.predict(["two hours late"])

Light: every name is imported when it is first asked for, and torch when something trains.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftcore.errors import CheckFailed as CheckFailed
    from ftcore.errors import Interrupted as Interrupted
    from ftcore.errors import RunFailed as RunFailed
    from ftcore.errors import UserError as UserError
    from ftcore.scripting.comparison import Comparison as Comparison
    from ftcore.scripting.comparison import compare as compare
    from ftcore.scripting.run import Metric as Metric
    from ftcore.scripting.run import Run as Run
    from ftcore.scripting.run import load as load
    from ftcore.scripting.run import run as run
    from ftcore.scripting.spec import Spec as Spec
    from ftcore.spec.diagnostics import SpecError as SpecError

__version__ = "0.1.0"

#: Name -> the module that it is imported from when it is first asked for.
_MODULES = {
    "CheckFailed": "ftcore.errors",
    "Comparison": "ftcore.scripting.comparison",
    "Interrupted": "ftcore.errors",
    "Metric": "ftcore.scripting.run",
    "Run": "ftcore.scripting.run",
    "RunFailed": "ftcore.errors",
    "Spec": "ftcore.scripting.spec",
    "SpecError": "ftcore.spec.diagnostics",
    "UserError": "ftcore.errors",
    "compare": "ftcore.scripting.comparison",
    "load": "ftcore.scripting.run",
    "run": "ftcore.scripting.run",
}

__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562: whatever the name stands for)
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
