"""Packaging targets in use, in virtual environments of their own: MLflow, the steps of the image. Needs pip's index."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from bundles import sentences
from models import save_tiny_bert, tiny_spec
from nemo_checkpoints import FILES, STEP

import ftcore
from ftcore.cli import main
from ftcore_runtime import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]


def shell(*command: str | Path, **named: object) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=1500, **named
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shell(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a text a row, exported."""
    folder = tmp_path_factory.mktemp("run")
    spec = tiny_spec(
        save_tiny_bert(folder / "base"), training={"max_steps": 2}, export={"variants": ["fp32"]}
    )
    return ftcore.run(ftcore.Spec(**spec), runs_dir=folder / "runs", progress=False).path


SCORE = """
import json, sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
texts = json.loads(sys.argv[2])
found = model.predict(pandas.DataFrame({"text": texts}))
if "named" not in sys.argv:  # of a bundle with one text an input
    assert found == model.predict(texts) == model.predict(pandas.Series(texts)) == model.predict({"text": texts})
print(json.dumps([answer["label"] for answer in found]))
"""


def test_mlflow_loads_and_scores_the_model(tiny_bundle: Path, wheel: Path, tmp_path: Path) -> None:
    assert main(["package", "mlflow", str(tiny_bundle), "--output", str(tmp_path / "model")]) == 0
    shell(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    shell(python, "-m", "pip", "install", "--quiet", "mlflow-skinny", "pandas", f"{wheel}[serve]")
    texts = sentences(6, seed=9)
    printed = shell(python, "-c", SCORE, tmp_path / "model", json.dumps(texts), "named", cwd=tmp_path)
    expected = [answer.label for answer in Pipeline.load(tiny_bundle).predict(texts)]  # type: ignore[union-attr]
    assert json.loads(printed.splitlines()[-1]) == expected


def test_mlflow_takes_lists_and_series_and_installs_a_wheel(
    run_folder: Path, wheel: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    assert main(["package", "mlflow", str(run_folder), "--output", str(model), "--wheel", str(wheel)]) == 0
    python = installed(tmp_path / "venv", "pip")
    shell(python, "-m", "pip", "install", "--quiet", "pandas", "-r", "requirements.txt", cwd=model)
    texts = ["good food", "slow"]
    printed = shell(python, "-c", SCORE, model, json.dumps(texts), cwd=tmp_path)
    expected = [answer.label for answer in Pipeline.load(run_folder / "bundle").predict(texts)]  # type: ignore[union-attr]
    assert json.loads(printed.splitlines()[-1]) == expected


def installed(folder: Path, *packages: str) -> Path:
    """The Python of a virtual environment with these packages."""
    shell(sys.executable, "-m", "venv", folder)
    shell(folder / "bin/python", "-m", "pip", "install", "--quiet", *packages)
    return folder / "bin/python"


LOAD = """
import sys
import azure.ai.ml as azure
for argument in sys.argv[1:]:
    loader, _, file = argument.partition("=")
    print(type(getattr(azure, f"load_{loader}")(source=file)).__name__)
"""
LOADERS = {
    "endpoint": "online_endpoint",
    "deployment": "online_deployment",
    "batch-endpoint": "batch_endpoint",
    "batch-deployment": "batch_deployment",
    "environment": "environment",
    "job": "job",
}


def test_azure_ml_loads_every_file_and_refuses_spoilt_ones(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "azure"
    assert main(["package", "azureml", str(run_folder), "--output", str(folder)]) == 0
    assert {path.name for path in folder.glob("*.yaml")} - {f"{name}.yaml" for name in LOADERS} == {
        "environment.conda.yaml",
        "training-environment.conda.yaml",
    }
    python = installed(tmp_path / "venv", "azure-ai-ml>=1.35")
    files = [f"{loader}={folder / name}.yaml" for name, loader in LOADERS.items()]
    loaded = shell(python, "-c", LOAD, *files).split()
    assert loaded == [
        "ManagedOnlineEndpoint",
        "ManagedOnlineDeployment",
        "BatchEndpoint",
        "BatchDeployment",
        "Environment",
        "Command",
    ]
    for name, good, bad in (
        ("deployment", "instance_type:", "instance_typ:"),
        ("job", "type: command", "type: comand"),
    ):
        text = (folder / f"{name}.yaml").read_text()
        assert good in text
        (folder / f"{name}.yaml").write_text(text.replace(good, bad, 1))
        with pytest.raises(AssertionError, match="Validation"):
            shell(python, "-c", LOAD, f"{LOADERS[name]}={folder / name}.yaml")


def test_kubernetes_own_schemas_take_the_manifests_and_refuse_spoilt_ones(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "manifests"
    assert main(["package", "kubernetes", str(tiny_bundle), "--output", str(folder), "--image", "a/b:1"]) == 0
    check = [installed(tmp_path / "venv", "kubernetes-validate"), "-m", "kubernetes_validate", "--strict"]
    shell(*check, *sorted(folder.glob("*.yaml")))
    for name, good, bad in (
        ("deployment", "containerPort: 8000", "containerPort: http"),
        ("hpa", "minReplicas:", "minReplica:"),
    ):
        text = (folder / f"{name}.yaml").read_text()
        (folder / f"{name}.yaml").write_text(text.replace(good, bad))
        with pytest.raises(AssertionError):
            shell(*check, folder / f"{name}.yaml")


RECIPE = """
import sys
from contextlib import nullcontext
import transformers
from nemo_automodel.components.config.loader import load_yaml_config
from nemo_automodel.recipes._typed_config import RecipeConfig
from nemo_automodel.recipes.llm.train_seq_cls import TrainFinetuneRecipeForSequenceClassification

config = RecipeConfig(load_yaml_config(sys.argv[1]))
assert config.recipe == TrainFinetuneRecipeForSequenceClassification.__name__
assert config.step_scheduler and config.optimizer and config.checkpoint
peft = config.instantiate_path("peft")
batches = config.dataloader.build(
    tokenizer=transformers.AutoTokenizer.from_pretrained("model"), dataset_build_context=nullcontext(),
    dp_rank=0, dp_world_size=1, pp_enabled=False, cp_size=1,
)
print(None if peft is None else peft.dim, len(batches.dataset), next(iter(batches))["labels"].shape[1])
"""


@pytest.fixture(scope="module")
def nemo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with NeMo Automodel, installed without its packages, on those that are here."""
    folder = tmp_path_factory.mktemp("nemo")
    python = installed(folder / "venv", "pip")
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    (site / "here.pth").write_text(str(Path(pytest.__file__).parents[1]))
    needed = ("torchdata", "tiktoken", "pyyaml", "megatron-fsdp", "flashoptim", "torchao", "mistral-common")
    shell(python, "-m", "pip", "install", "--quiet", "--no-deps", "nemo-automodel==0.7.0", *needed)
    return python


def test_nemos_own_loader_takes_the_recipe_and_its_rows_and_refuses_spoilt_ones(
    run_folder: Path, nemo: Path, tmp_path: Path
) -> None:
    """Its recipe trains on GPUs alone."""
    folder = tmp_path / "nemo"
    assert main(["package", "nemo", str(run_folder), "--output", str(folder)]) == 0

    def load(text: str) -> str:
        (folder / "tried.yaml").write_text(text)
        return shell(nemo, "-c", RECIPE, "tried.yaml", cwd=folder).splitlines()[-1]

    text = (folder / "recipe.yaml").read_text()
    rows = len((folder / "rows/train.jsonl").read_text().splitlines())
    assert load(text) == f"None {rows} 1"
    target = "nemo_automodel.components._peft.lora.PeftConfig"
    assert load(f"{text}peft: {{_target_: {target}, dim: 4, match_all_linear: true}}") == f"4 {rows} 1"
    for good, bad in (("num_epochs:", "num_epoch:"), ("torch.optim.AdamW", "torch.optim.AdamV")):
        assert good in text
        with pytest.raises(AssertionError, match="Error"):
            load(text.replace(good, bad))


#: Three steps, and a checkpoint by NeMo's own checkpointer; prints the model's logits.
CHECKPOINT = """
import json, sys, torch, transformers
from nemo_automodel.components._peft.lora import PeftConfig, apply_lora_to_linear_modules
from nemo_automodel.components.checkpoint.checkpointing import Checkpointer
from nemo_automodel.components.checkpoint.config import CheckpointingConfig

kind = sys.argv[1]
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
model = transformers.AutoModelForSequenceClassification.from_pretrained("model")
tokenizer = transformers.AutoTokenizer.from_pretrained("model")
peft = PeftConfig(dim=4, alpha=8, match_all_linear=True) if kind == "adapter" else None
if peft:
    apply_lora_to_linear_modules(model, peft)
optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-2)
batch = tokenizer(["good food", "bad food"], return_tensors="pt")
for _ in range(3):
    torch.nn.functional.cross_entropy(model(**batch).logits, torch.tensor([0, 1])).backward()
    optimizer.step()
    optimizer.zero_grad()
config = CheckpointingConfig(
    checkpoint_dir=kind, save_consolidated=kind == "whole", is_peft=kind == "adapter", model_repo_id="model",
    model_state_dict_keys=list(model.state_dict()),
)
Checkpointer(config, 0, 0, 0).save_model(
    model, f"{kind}/epoch_0_step_2", peft_config=peft, tokenizer=tokenizer, is_final_checkpoint=True
)
print(json.dumps(model.eval()(**batch).logits.tolist()))
"""


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # in peft
@pytest.mark.parametrize("kind", FILES)
def test_nemos_own_checkpoints_are_laid_as_they_are_taken(
    kind: str, run_folder: Path, nemo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`test_nemo.py` has checkpoints of the same files, and says what becomes of each."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    shutil.copytree(run_folder / "model", tmp_path / "model")
    logits = shell(nemo, "-c", CHECKPOINT, kind, cwd=tmp_path).splitlines()[-1]
    inside = tmp_path / kind / STEP / "model"
    assert {path.relative_to(inside).as_posix() for path in inside.rglob("*") if path.is_file()} == FILES[
        kind
    ]
    if kind == "sharded":
        return
    taken = inside / "consolidated"
    if kind == "adapter":
        page = (ROOT / "docs/how-to/nemo.md").read_text()
        (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        monkeypatch.chdir(tmp_path)
        exec(lines.replace("checkpoints/LATEST", f"{kind}/{STEP}"), {})
        taken = tmp_path / "merged"
    batch = AutoTokenizer.from_pretrained(taken)(["good food", "bad food"], return_tensors="pt")
    found = AutoModelForSequenceClassification.from_pretrained(taken).eval()(**batch).logits
    np.testing.assert_allclose(found.detach().numpy(), json.loads(logits), atol=1e-5)
    spec = tiny_spec(taken, training={"max_steps": 2}, export={"variants": ["fp32"]})
    assert ftcore.run(ftcore.Spec(**spec), runs_dir=tmp_path / "runs", progress=False).status == "finished"


def test_the_steps_of_the_image(tiny_bundle: Path, wheel: Path, tmp_path: Path) -> None:
    """What the Dockerfile runs, run here, with the image's folders under a temporary one."""
    image = tmp_path / "image"
    assert main(["package", "docker", str(tiny_bundle), "--output", str(image), "--wheel", str(wheel)]) == 0
    text = (image / "Dockerfile").read_text()
    (run,) = re.findall(r"^RUN (.*)$", text, re.MULTILINE)
    run = run.replace("/tmp/", f"{image}/").replace("/opt/ftcore", str(tmp_path / "opt"))  # itself under /tmp
    shell("bash", "-ec", run.replace("python -m venv", f"{sys.executable} -m venv"))
    installed = shell(tmp_path / "opt/bin/pip", "list")
    assert not re.search(r"^(torch|transformers|datasets) ", installed, re.MULTILINE)
    (command,) = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    arguments = [word.replace("/bundle", str(image / "bundle")) for word in json.loads(command)]
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    server = subprocess.Popen(
        [tmp_path / "opt/bin/ftcore", *arguments, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    )
    assert server.stderr is not None
    try:
        url = ""
        for line in server.stderr:
            event = json.loads(line)
            url = event.get("url", url)
            if event["event"] == "ready":
                break
        assert urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
        server.stderr.close()
