"""A Dockerfile and a compose file for a slim image that serves one bundle: not root, nothing to write to."""

from __future__ import annotations

import json
from pathlib import Path

from ftcore_server.packaging.installing import Installation
from ftcore_server.packaging.target import Packed, new_folder


def write_docker(
    packed: Packed, output: Path, installation: Installation, *, sagemaker: bool = False
) -> Path:
    """Write the folder that `docker build` takes: Dockerfile, compose.yaml, the bundle.

    Args:
        output: a folder that is not there yet.
        installation: of ftcore, and of the decoder's distribution where that is another.
        sagemaker: as SageMaker runs it: at port 8080, with its two routes, whatever argument comes.

    Raises:
        UserError: a wheel cannot be read.
    """
    with new_folder(output) as folder:
        packed.copy_to(folder / "bundle")
        installation.copy_to(folder)
        text = dockerfile(
            packed, installation, "/bundle", copied="COPY bundle /bundle\n", sagemaker=sagemaker
        )
        (folder / "Dockerfile").write_text(text, encoding="utf-8")
        (folder / "compose.yaml").write_text(_compose(packed, 8080 if sagemaker else 8000), encoding="utf-8")
    return output


def dockerfile(
    packed: Packed, installation: Installation, bundle: str, copied: str = "", *, sagemaker: bool = False
) -> str:
    """A slim image that serves a bundle on port 8000, for SageMaker on 8080.

    Args:
        installation: its wheels lie next to the Dockerfile.
        bundle: where the bundle is when it is served.
        copied: instructions that bring it there.
    """
    wheels = "".join(f"COPY {wheel.name} /tmp/\n" for wheel in installation.wheels.values())
    what = " ".join(f'"{requirement}"' for requirement in installation.lines("/tmp/"))  # noqa: S108 (of the image)
    port = 8080 if sagemaker else 8000
    probe = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/readyz', timeout=2)"
    served = ["serve", f"{packed.name}={bundle}", "--variant", packed.pipeline.variant, "--host", "0.0.0.0"]  # noqa: S104 (inside of its container)
    entry, command = ["/opt/ftcore/bin/ftcore"], f"\nCMD {json.dumps(served)}"
    if sagemaker:  # it runs the image with the argument `serve`, which the shell takes for its own name
        line = " ".join(["exec", *entry, *served, "--port", str(port), "--sagemaker"])
        entry, command = ["/bin/sh", "-c", line], ""
    return f"""\
FROM python:3.11-slim AS build
{wheels}RUN python -m venv /opt/ftcore && /opt/ftcore/bin/pip install --no-cache-dir {what}

FROM python:3.11-slim
COPY --from=build /opt/ftcore /opt/ftcore
{copied}USER 10001:10001
EXPOSE {port}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s CMD ["/opt/ftcore/bin/python", "-c", "{probe}"]
ENTRYPOINT {json.dumps(entry)}{command}
"""


def _compose(packed: Packed, port: int) -> str:
    return f"""\
services:
  {packed.name}:
    build: .
    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    ports: ["127.0.0.1:{port}:{port}"]
    stop_grace_period: 40s
"""
