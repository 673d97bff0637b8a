"""A run's spec with all that it names, in a folder that another machine can run it from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.files import read_json, write_json
from ftcore.locate import PREFIX, is_local, locate
from ftcore.runs.folder import RunFolder
from ftcore_runtime.object_store import is_address

SPEC = "spec.json"


def write_portable(run: RunFolder, output: Path) -> None:
    """Write `spec.json`, and copy the files and folders that it names. What packages, stores and the Hub have stays.

    Args:
        output: a folder that is there, and empty.

    Raises:
        UserError: a file is no longer there.
    """
    spec, base_dir = read_json(run.spec_file), Path(run.record()["base_dir"])
    for number, (ref, replace) in enumerate(_refs(spec, base_dir), 1):
        if ref.startswith(PREFIX) or is_address(ref):
            continue
        path = locate(ref, base_dir)
        copied = f"files/{number}-{path.name}"
        (output / "files").mkdir(exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, output / copied)
        else:
            shutil.copyfile(path, output / copied)
        replace(f"./{copied}")
    write_json(output / SPEC, {**spec, "name": run.record()["name"]})


def training_requirements(run: RunFolder) -> dict[str, str]:
    """What pip is to install where the run is made again, by distribution.

    Raises:
        UserError: its task is a file of the project, which no distribution brings.
    """
    record, spec = run.record(), read_json(run.spec_file)
    plugin = record["plugin"]
    if plugin["origin"] == "drop-in":
        raise UserError(
            f"its task `{plugin['id']}` is a file of the project, which another machine does not have",
            where=str(run.path),
            hint="make it a distribution, with an entry point in `ftcore.tasks`",
        )
    extras = ["train", "mlflow"]
    extras += ["generation"] if record["family"] == "text_generation" else []
    extras += ["lora"] if spec["model"].get("lora") else []
    version = metadata.version("ftcore")
    found = {"ftcore": f"ftcore[{','.join(extras)}]=={version}"}
    if plugin["origin"] == "installed":
        found[plugin["dist"]] = f"{plugin['dist']}=={plugin['version']}"
    modules = metadata.packages_distributions()
    for ref, _ in _refs(spec, Path(record["base_dir"])):
        if ref.startswith(PREFIX):
            for name in modules.get(ref.removeprefix(PREFIX).partition("/")[0].partition(".")[0], ()):
                found[name] = f"{name}=={metadata.version(name)}"
    return found


def _refs(spec: dict[str, Any], base_dir: Path) -> Iterator[tuple[str, Callable[[str], None]]]:
    """Everything on this machine that a resolved spec names, and what puts another name in its place."""
    sources = [value for value in spec["data"].values() if isinstance(value, dict)]
    sources.append((spec["training"].get("pretrain") or {}).get("on") or {})
    for source in sources:
        for key in ("path", "target"):
            if isinstance(source.get(key), str):
                yield source[key], lambda ref, source=source, key=key: source.update({key: ref})  # type: ignore[misc]
    model = spec["model"]
    for key in ("base", "distill_from"):
        if isinstance(model.get(key), str) and is_local(model[key], base_dir):
            yield model[key], lambda ref, key=key: model.update({key: ref})  # type: ignore[misc]
