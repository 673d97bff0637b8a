"""An MLflow model in the pyfunc flavour, whose loader is a module of ours: no pickle, no code in the model."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftcore_server.packaging.target import Packed, new_folder


def write_mlflow(packed: Packed, output: Path) -> Path:
    """Write the model: `MLmodel`, its environment, and the bundle.

    Args:
        output: a folder that is not there yet.
    """
    pipeline = packed.pipeline
    python = platform.python_version()
    columns = [
        {"type": "string", "name": field, "required": index < pipeline.required}
        for index, field in enumerate(pipeline.fields)
    ]
    model = {
        "flavors": {
            "python_function": {
                "loader_module": "ftcore_server.packaging.mlflow_loader",
                "data": "bundle",
                "env": {"virtualenv": "python_env.yaml"},
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
    with new_folder(output) as folder:
        packed.copy_to(folder / "bundle")
        _write(folder / "MLmodel", model)
        _write(folder / "python_env.yaml", environment)
        listed = "".join(f"{requirement}\n" for requirement in ("mlflow", *packed.requirements.values()))
        (folder / "requirements.txt").write_text(listed, encoding="utf-8")
    return output


def _write(path: Path, value: dict[str, Any]) -> None:
    """JSON, which is YAML too."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
