"""A bundle as a repository of the Hugging Face Hub: its card, itself, and its graphs where other runtimes look.

transformers.js and optimum read `config.json`, the tokenizer, and `onnx/model.onnx` or `onnx/model_quantized.onnx`, of
models that answer in one pass. Only a run has the configuration: of a bundle alone there is the bundle.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, cast

from ftcore_runtime.errors import UserError
from ftcore_runtime.manifest import parse_json
from ftcore_server.packaging.target import Packed, new_folder

#: Variant -> what the others call its graph; of a variant that is not here, `model_NAME`.
_GRAPHS = {"fp32": "model", "int8": "model_quantized"}
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_NO_ACCESS = (401, 403)


def write_hub(packed: Packed, output: Path, repo: str, model: Path | None) -> bool:
    """Write the repository's files.

    Args:
        output: a folder that is not there yet.
        repo: `owner/name`.
        model: the Hugging Face folder of the run that the bundle is of.

    Returns:
        whether there are graphs where transformers.js and optimum look for them.

    Raises:
        UserError: `repo` is no such name.
    """
    if not _REPO.fullmatch(repo):
        raise UserError("is no name of a repository", where=repo, hint="write owner/name")
    pipeline = packed.pipeline
    readable = model is not None and not pipeline.generates
    with new_folder(output) as folder:
        packed.copy_to(folder / "bundle")
        card = (packed.path / "README.md").read_text(encoding="utf-8")
        (folder / "README.md").write_text(f"{card}\n{_use(packed, repo, readable)}", encoding="utf-8")
        if model is not None and readable:
            shutil.copyfile(model / "config.json", folder / "config.json")
            settings = parse_json((model / "tokenizer_config.json").read_bytes(), "tokenizer_config.json")
            (folder / "tokenizer_config.json").write_text(
                json.dumps(_known_to_all(settings), indent=2) + "\n"
            )
            shutil.copyfile(packed.path / pipeline.manifest.tokenizer, folder / "tokenizer.json")
            (folder / "onnx").mkdir()
            for name, variant in pipeline.manifest.variants.items():
                graph = folder / "onnx" / f"{_GRAPHS.get(name, f'model_{name}')}.onnx"
                shutil.copyfile(packed.path / variant.graphs["model"], graph)
    return readable


def _known_to_all(settings: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """A tokenizer's settings without what transformers 5 alone knows: transformers 4 refuses its name of the class."""
    made = {name: value for name, value in settings.items() if name not in ("is_local", "local_files_only")}
    if made.get("tokenizer_class") == "TokenizersBackend":
        made["tokenizer_class"] = "PreTrainedTokenizerFast"
    return made


def _use(packed: Packed, repo: str, readable: bool) -> str:
    """What the card says of the repository."""
    lines = [
        "## From the Hub",
        "",
        "```python",
        "from huggingface_hub import snapshot_download",
        "from ftcore_runtime import Pipeline",
        "",
        f'pipeline = Pipeline.load(snapshot_download("{repo}") + "/bundle")',
        "```",
    ]
    if readable:
        lines += ["", "`onnx/` has the same graphs for transformers.js and optimum."]
    return "\n".join(lines) + "\n"


def upload(folder: Path, repo: str, *, private: bool, message: str) -> str:
    """Make the repository unless it is there, and commit a folder to it.

    The token is the one of `hf auth login`, or `HF_TOKEN`; `HF_ENDPOINT` names another hub.

    Returns:
        where the commit is.

    Raises:
        UserError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    # Of the HTTP library that huggingface_hub has, which changes.
    unreachable = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        hub.create_repo(repo, private=private, exist_ok=True)
        commit = hub.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
    except HfHubHTTPError as error:
        status = error.response.status_code
        what = f"the Hub refuses with status {status}: {_first_line(error, get_token())}"
        hint = "log in with `hf auth login`, or set HF_TOKEN to a token that may write there"
        raise UserError(what, where=repo, hint=hint if status in _NO_ACCESS else None) from None
    except RuntimeError as error:  # of a large file
        what = f"{_first_line(error, get_token())} ({_first_line(error.__cause__ or error, get_token())})"
        raise UserError(what, where=repo, hint="give the command again") from None
    except (unreachable, OSError) as error:
        what = f"the Hub cannot be reached: {_first_line(error, get_token())}"
        raise UserError(what, where=repo) from None
    return str(commit.commit_url)


def _first_line(error: BaseException, token: str | None) -> str:
    """What an error says, without the token, whoever put it there."""
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text.replace(token, "(the token)") if token else text
