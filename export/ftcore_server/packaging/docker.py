"""A Dockerfile and a compose file for a slim image that serves one bundle: not root, nothing to write to."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ftcore_runtime.errors import UserError
from ftcore_runtime.installed import normal
from ftcore_server.packaging.target import Packed, new_folder


def write_docker(packed: Packed, output: Path, wheels: Sequence[Path] = ()) -> Path:
    """Write the folder that `docker build` takes: Dockerfile, compose.yaml, the bundle.

    Args:
        output: a folder that is not there yet.
        wheels: of ftcore, and of the decoder's distribution where that is another; each is installed instead of the
            release of its distribution in the package index.

    Raises:
        UserError: a wheel cannot be read, or is of another distribution.
    """
    given = {normal(wheel.name.partition("-")[0]): wheel for wheel in wheels}
    installed = []
    for name, requirement in packed.requirements.items():
        wheel = given.pop(normal(name), None)
        extra = requirement.partition("==")[0].removeprefix(name)
        installed.append(f"/tmp/{wheel.name}{extra}" if wheel else requirement)  # noqa: S108 (of the image)
    for wheel in given.values():
        raise UserError(f"is no wheel of {' or '.join(packed.requirements)}", where=str(wheel))
    with new_folder(output) as folder:
        packed.copy_to(folder / "bundle")
        for wheel in wheels:
            try:
                shutil.copyfile(wheel, folder / wheel.name)
            except OSError as error:
                raise UserError(f"cannot be read: {error.strerror}", where=str(wheel)) from None
        (folder / "Dockerfile").write_text(_dockerfile(packed, wheels, installed), encoding="utf-8")
        (folder / "compose.yaml").write_text(_compose(packed), encoding="utf-8")
    return output


def _dockerfile(packed: Packed, wheels: Sequence[Path], installed: Sequence[str]) -> str:
    copied = "".join(f"COPY {wheel.name} /tmp/\n" for wheel in wheels)
    what = " ".join(f'"{requirement}"' for requirement in installed)
    probe = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"
    return f"""\
FROM python:3.11-slim AS build
{copied}RUN python -m venv /opt/ftcore && /opt/ftcore/bin/pip install --no-cache-dir {what}

FROM python:3.11-slim
COPY --from=build /opt/ftcore /opt/ftcore
COPY bundle /bundle
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s CMD ["/opt/ftcore/bin/python", "-c", "{probe}"]
ENTRYPOINT ["/opt/ftcore/bin/ftcore"]
CMD ["serve", "{packed.name}=/bundle", "--variant", "{packed.pipeline.variant}", "--host", "0.0.0.0"]
"""


def _compose(packed: Packed) -> str:
    return f"""\
services:
  {packed.name}:
    build: .
    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    ports: ["127.0.0.1:8000:8000"]
    stop_grace_period: 40s
"""
