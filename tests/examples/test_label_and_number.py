"""The example distribution, installed by pip: everything that ftcore does with a shipped family, it does with that.

A run and a server are processes of their own; what only reads is asked in this one, which saves it their imports.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from graph_cache import cache
from models import labelled_rows, tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main

pytestmark = pytest.mark.timeout(900)  # a fixture of a process that imports torch

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "examples" / "label_and_number"
SHIPPED = ("ftcore", "plugins", "export")


@dataclass(frozen=True)
class Example:
    """The installed distribution and a run of its task.

    Args:
        site: where pip has put it.
        project: the working directory of every command.
    """

    site: Path
    project: Path

    def environment(self, installed: bool = True) -> dict[str, str]:
        """Of a command that finds the distribution, or does not."""
        found = [str(self.site)] * installed + [path for path in sys.path if path]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(found),
            "FTCORE_CACHE": cache(self.project / "cache"),
        }

    def ftcore(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, both streams together, once it has ended with `code`."""
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
            patch.chdir(self.project)
            patch.setenv("FTCORE_CACHE", cache(self.project / "cache"))
            patch.syspath_prepend(self.site)
            importlib.invalidate_caches()
            with contextlib.redirect_stderr(printed):
                ended = main(list(arguments))
        assert ended == code, printed.getvalue()
        return printed.getvalue()

    @property
    def run(self) -> Path:
        """The folder of the only run."""
        (found,) = self.project.glob("runs/*/*/run.json")
        return found.parent

    @property
    def bundle(self) -> str:
        """The run's bundle."""
        return str(self.run / "bundle")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Example]:
    """The distribution, installed, and a run that was killed, resumed and exported."""
    site, project = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("project")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--no-index", "--target", str(site), str(SOURCE)], check=True)
    rows = [{**row, "number": 4.0 if row["label"] == "pos" else 1.0} for row in labelled_rows(160)]
    spec = tiny_spec(tiny_base, task="rating", training={"epochs": 8, "number_weight": 3.0})
    spec["data"]["train"] = rows
    spec["evaluation"] = {"bootstrap": 10, "metric": "mae"}  # of which less is better
    YAML().dump(spec, project / "rating.yaml")
    made = Example(site, project)
    assert "valid, task rating" in made.ftcore("validate", "rating.yaml")
    kill_within_training(made)
    made.ftcore("resume", str(made.run))
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "ftcore_label_and_number"]:
        del sys.modules[name]


def kill_within_training(example: Example) -> None:
    """Start the run, and kill it once there is a checkpoint."""
    command = [sys.executable, "-m", "ftcore", "run", "rating.yaml"]
    started = subprocess.Popen(
        command, cwd=example.project, env=example.environment(), stdout=subprocess.DEVNULL
    )
    while started.poll() is None and not [*example.project.glob("runs/*/*/checkpoints/step-*/manifest.json")]:
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL, "it was killed before its end"


def test_the_core_knows_nothing_of_it() -> None:
    named = subprocess.run(
        ["grep", "-rlE", "label_and_number|ftcore-label", *SHIPPED], cwd=ROOT, capture_output=True
    )
    assert named.stdout == b""


def test_a_killed_run_was_resumed_measured_and_exported(example: Example) -> None:
    record = json.loads((example.run / "run.json").read_text())
    assert record["status"] == "finished"
    metrics = json.loads((example.run / "metrics.json").read_text())["splits"]["test"]["metrics"]
    assert metrics["accuracy"]["value"] >= 0.9, "a word decides every label"
    assert metrics["mae"]["value"] < 0.5, "and every number, of which the mean alone is wrong by 1.5"
    exported = json.loads((example.run / "export.json").read_text())["variants"]
    assert set(exported) == {"fp32", "int8"}
    assert exported["fp32"]["parity"]["flips"] == []
    decoder = json.loads((example.run / "bundle" / "bundle.json").read_text())["decoder"]
    assert decoder["distribution"] == "ftcore-label-and-number"
    assert (decoder["name"], decoder["version"]) == ("label_and_number", "0.1.0")


def test_every_kind_of_it_is_listed(example: Example) -> None:
    listed = json.loads(example.ftcore("plugins", "--strict", "--json"))
    ours = {
        (one["kind"], one["id"], one["status"]) for one in listed if one["dist"] == "ftcore-label-and-number"
    }
    assert ours == {
        ("task", "rating", "ok"),
        ("family", "label_and_number", "ok"),
        ("decoder", "label_and_number", "ok"),
    }


def test_predict_texts_and_a_file(example: Example) -> None:
    lines = example.ftcore("predict", example.bundle, "--text", "good food", "--text", "the food was bad")
    (label, number, _), (other, *_) = (line.replace("\t", " ").split(" ", 2) for line in lines.splitlines())
    assert (label, other) == ("pos", "neg")
    assert 0.5 < float(number.rstrip(",")) <= 1
    (example.project / "rows.csv").write_text("text,more\ngood food,1\n,2\nbad,3\n")
    for variant in ("fp32", "int8"):
        output = example.project / f"{variant}.jsonl"
        options = ["--input", "rows.csv", "--variant", variant, "--output", str(output)]
        example.ftcore("predict", example.bundle, *options, code=3)
        good, empty, bad = map(json.loads, output.read_text().splitlines())
        assert (good["label"], bad["label"]) == ("pos", "neg")
        assert good["number"] > 3 > 2 > bad["number"]
        assert set(good["scores"]) == {"pos", "neg"}
        assert "empty" in empty["error"]


def test_its_answers_are_explained(example: Example) -> None:
    printed = example.ftcore("explain", example.bundle, "--text", "the food was bad", "--label", "pos")
    assert "what speaks for `pos` (0." in printed
    weights = dict(reversed(line.split()) for line in printed.splitlines() if line.startswith("  "))
    assert set(weights) == {"the", "food", "was", "bad"}


def test_without_it_a_runtime_says_what_to_install(example: Example) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ftcore", "predict", example.bundle, "--text", "good"],
        cwd=example.project,
        env=example.environment(installed=False),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = done.stdout
    assert done.returncode == 2, printed
    assert "comes with the distribution 'ftcore-label-and-number', which is not installed" in printed
    assert "pip install 'ftcore-label-and-number==0.1.0'" in printed
    assert "Traceback" not in printed


@pytest.fixture(scope="module")
def url(example: Example) -> Iterator[str]:
    """The address of `ftcore serve` with the bundle."""
    command = [
        sys.executable,
        "-m",
        "ftcore",
        "serve",
        "--port",
        "0",
        "--threads",
        "1",
        f"rating={example.bundle}",
    ]
    with subprocess.Popen(
        command, cwd=example.project, env=example.environment(), stderr=subprocess.PIPE, text=True
    ) as served:
        assert served.stderr is not None
        try:
            lines = []
            for line in served.stderr:
                lines.append(json.loads(line))
                if lines[-1]["event"] == "ready":
                    break
            yield next(line["url"] for line in lines if line["event"] == "listening")
        finally:
            served.kill()


def test_the_typed_endpoint_and_its_schema(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        response = client.post("/v1/models/rating:predict", json={"inputs": ["good food", {"text": "bad"}]})
        good, bad = response.json()["predictions"]
        assert (good["label"], bad["label"]) == ("pos", "neg")
        (model,) = client.get("/v1/models").json()["models"]
        assert (model["fields"], model["required"], model["widget"]) == (["text"], 1, "fields")
        schema = client.get("/openapi.json").json()["components"]["schemas"]["rating.PredictResponse"]
        answer = schema["properties"]["predictions"]["items"]["properties"]
        assert {name: answer[name]["type"] for name in answer} == {
            "label": "string", "score": "number", "scores": "object", "number": "number",
        }  # fmt: skip
        assert client.get("/v1/models/rating/drift").json()["psi"].keys() >= {"label", "confidence", "number"}
        assert 'label="pos"' in client.get("/metrics").text


def test_the_open_inference_protocol(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        about = client.get("/v2/models/rating").json()
        shapes = {output["name"]: (output["datatype"], output["shape"]) for output in about["outputs"]}
        assert shapes["number"] == ("FP32", [-1])
        assert shapes["scores"] == ("FP32", [-1, 2])
        tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["good food", "bad"]}
        outputs = client.post("/v2/models/rating/infer", json={"inputs": [tensor]}).json()["outputs"]
        found = {output["name"]: output["data"] for output in outputs}
        assert found["label"] == ["pos", "neg"]
        assert found["number"][0] > 3 > 2 > found["number"][1]


def test_the_page(url: str) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        problems: list[str] = []
        page = browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{url}/")
        page.get_by_label("Text", exact=True).fill("good food")
        page.get_by_role("button", name="Ask").click()
        page.wait_for_selector("#answer .bars")
        assert page.locator("#answer h2").all_inner_texts() == ["Label", "Score", "Scores", "Number"]
        assert page.locator("#answer .bars .name.top").all_inner_texts() == ["pos"]
        assert problems == []
        browser.close()


@pytest.mark.parametrize(
    ("target", "options", "file", "says"),
    [
        ("docker", [], "Dockerfile", '"ftcore-label-and-number==0.1.0"'),
        ("mlflow", [], "requirements.txt", "\nftcore-label-and-number==0.1.0\n"),
        ("kserve", ["--image", "a/b", "--storage", "pvc://x"], "inferenceservice.yaml", "rating=/mnt/models"),
        ("triton", [], "rating_graph/config.pbtxt", '{ name: "number", data_type: TYPE_FP32, dims: [ 1 ] }'),
    ],
)
def test_every_target_of_packaging(
    example: Example, target: str, options: list[str], file: str, says: str
) -> None:
    output = example.project / target
    example.ftcore("package", target, example.bundle, "--output", str(output), *options)
    assert says in (output / file).read_text()
