"""An MLflow model in the pyfunc flavour, whose loader is a module of ours: no pickle, no code in the model."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftcore_server.packaging.installing import Installation
from ftcore_server.packaging.target import Packed, new_folder, write_yaml

#: Where MLflow keeps wheels of a model; its requirements name them so.
_WHEELS = "wheels"


def write_mlflow(packed: Packed, output: Path, installation: Installation) -> Path:
    """Write the model: `MLmodel`, its environment for pip and for conda, and the bundle.

    Args:
        output: a folder that is not there yet.
        installation: of ftcore, and of the decoder's distribution where that is another.

    Raises:
        UserError: a wheel cannot be read.
    """
    pipeline = packed.pipeline
    python = platform.python_version()
    columns = [
        {"type": "string", "name": field, "required": index < pipeline.required}
        for index, field in enumerate(pipeline.fields)
    ]
    if (
        len(columns) == 1
    ):  # MLflow then takes lists and Series as well as frames, whatever their column is called
        columns = [{"type": "string"}]
    model = {
        "flavors": {
            "python_function": {
                "loader_module": "ftcore_server.packaging.mlflow_loader",
                "data": "bundle",
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "python_version": python,
            }
        },
        "signature": {"inputs": json.dumps(columns), "outputs": None, "params": None},
        "metadata": {"task": pipeline.task, "variant": pipeline.variant},
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    environment = {
        "python": python,
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    required = ["mlflow", *installation.lines(f"{_WHEELS}/")]
    with new_folder(output) as folder:
        packed.copy_to(folder / "bundle")
        installation.copy_to(folder / _WHEELS)
        write_yaml(folder / "MLmodel", model)
        write_yaml(folder / "python_env.yaml", environment)
        write_yaml(folder / "conda.yaml", conda("mlflow-env", python, required))
        (folder / "requirements.txt").write_text("".join(f"{one}\n" for one in required), encoding="utf-8")
    return output


def conda(name: str, python: str, required: Sequence[str]) -> dict[str, Any]:
    """A conda environment whose packages pip installs."""
    dependencies = [f"python={python}", "pip", {"pip": list(required)}]
    return {"name": name, "channels": ["conda-forge"], "dependencies": dependencies}
