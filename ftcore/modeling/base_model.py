"""Open a base model: a folder, `package:<module>/<path>`, or a Hub id; safetensors and JSON only.

A config.json can make transformers fetch and run code (`auto_map`, an attention implementation named after a Hub
repository, ...). So the config object is made here, from the keys that its own class declares, and nothing
else of the file reaches transformers. `trust_remote_code` does not exist here.
"""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ftcore.errors import ModelError
from ftcore.locate import PREFIX, locate
from ftcore.modeling.piece_tokenizers import rebuild
from ftcore.modeling.tokenizer_checks import readable_inputs, require_ids
from ftcore.modeling.weights import check_weights
from ftcore.spec.base_folder import WANTED, check_files, require_tokenizer
from ftcore_runtime.encoding import TARGET_TOKENIZER, EncoderConfig, TextEncoder
from ftcore_runtime.special_tokens import without_special_pieces

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

_NEVER = frozenset({"auto_map", "custom_pipelines", "quantization_config", "trust_remote_code"})


@dataclass(frozen=True)
class BaseModel:
    """A base model on disk, checked.

    Args:
        folder: holds config.json, *.safetensors and the tokenizer's files.
        config: from the declared keys of config.json alone.
        gguf: the one file in `folder` that holds weights, configuration and tokenizer, if that is what it is.
        notes: what users should know of how it was loaded, for the log.
    """

    folder: Path
    config: transformers.PretrainedConfig
    gguf: str | None = None
    notes: list[str] = field(default_factory=list, compare=False)

    @property
    def hidden_size(self) -> int:
        """Of the hidden states; 0 where the configuration has no one size."""
        return int(getattr(self.config, "hidden_size", 0))


def open_base(ref: str, base_dir: Path) -> BaseModel:
    """Find the base model and read its config.

    Raises:
        ModelError: not there, not a model folder, no safetensors, or an architecture transformers does not have.
    """
    folder = locate(ref, base_dir) if names_a_path(ref, base_dir) else _download(ref)
    if folder.suffix == ".gguf" and folder.is_file():
        return _open_gguf(folder, ref)
    check_files(folder, ref)
    return BaseModel(folder, read_config(folder / "config.json", ref))


def _open_gguf(path: Path, ref: str) -> BaseModel:
    """A model in one GGUF file, whose weights transformers takes out of their 4 or 8 bits."""
    try:
        config = transformers.AutoConfig.from_pretrained(
            path.parent, gguf_file=path.name, local_files_only=True, trust_remote_code=False
        )
    except ImportError as error:
        raise ModelError(
            "models in GGUF need the package gguf", where=ref, hint="pip install 'ftcore[generation]'"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"the GGUF file holds no model that transformers reads: {error}", where=ref
        ) from None
    return BaseModel(path.parent, config, path.name)


def names_a_path(ref: str, base_dir: Path) -> bool:
    """Whether a base model's name is a path (there or not) rather than a Hub id."""
    return ref.startswith((PREFIX, ".", "/", "~")) or (base_dir / ref).exists()


def _download(ref: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(ref, allow_patterns=[*WANTED]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"the base model is no local folder, and the Hub did not give it ({type(error).__name__})",
            where=ref,
            hint="check the name and the network; for a local folder write ./folder; for weights that a pip package"
            " carries write package:<module>/<path>",
        ) from error


def read_config(path: Path, ref: str) -> transformers.PretrainedConfig:
    """The configuration in a config.json, from the keys that its architecture declares.

    Raises:
        ModelError: the file cannot be read, or names an architecture that transformers does not have.
    """
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config_class = CONFIG_MAPPING[raw["model_type"]]
        declared = _declared(raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            "config.json names no architecture that the installed transformers has",
            where=ref,
            hint="`model_type` must be one of transformers' own; remote code is never run",
        ) from error
    try:
        config: transformers.PretrainedConfig = config_class(**declared)
    except (StrictDataclassError, *_UNLOADABLE) as error:
        what = " ".join(str(error).split())[:200]
        raise ModelError(f"config.json does not fit a {raw['model_type']}: {what}", where=ref) from error
    return config


def _declared(raw: dict[str, Any]) -> dict[str, Any]:
    """The keys that an architecture declares, of a configuration and of those within it."""
    config_class = CONFIG_MAPPING[raw["model_type"]]
    known = (
        set(config_class().to_dict())
        | set(config_class.attribute_map)
        | {"num_labels", "id2label", "label2id", "encoder", "decoder", "decoder_start_token_id"}
    )
    return {
        key: _declared(value) if isinstance(value, dict) and "model_type" in value else value
        for key, value in raw.items()
        if key in known - _NEVER and key[0] != "_"
    }


def with_dropout(
    config: transformers.PretrainedConfig, dropout: float | None
) -> transformers.PretrainedConfig:
    """Set every dropout that the architecture has; None leaves them as they are."""
    if isinstance(config, transformers.EncoderDecoderConfig):
        with_dropout(config.encoder, dropout)
        with_dropout(config.decoder, dropout)
    elif dropout is not None:
        for key, value in config.to_dict().items():
            if "drop" in key and "layerdrop" not in key and isinstance(value, int | float | None):
                setattr(config, key, dropout)
    return config


#: What transformers and safetensors raise of files that contradict themselves or one another.
_UNLOADABLE = (
    OSError,
    ValueError,
    RuntimeError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    MemoryError,
    SafetensorError,
)


def load_weights(auto_class: Any, base: BaseModel, config: transformers.PretrainedConfig) -> torch.nn.Module:  # noqa: ANN401
    """Weights of `base` in the architecture that `auto_class` makes of `config`, in float32, fit to be saved.

    Raises:
        ModelError: they do not load, or are not those of this architecture (see `check_weights`).
    """
    form: dict[str, Any] = {"gguf_file": base.gguf} if base.gguf else {"use_safetensors": True}
    if base.gguf and hasattr(transformers, "GgufConfig"):  # the versions that leave weights in their 4 bits
        form["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        model, info = auto_class.from_pretrained(
            base.folder,
            config=config,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **form,
        )
    except _UNLOADABLE as error:
        what = (
            f"the base model does not load: {str(error).partition(chr(10))[0][:200] or type(error).__name__}"
        )
        raise ModelError(what, where=str(base.folder)) from error
    base.notes.extend(check_weights(model, info, str(base.folder)))
    if base.gguf and (quantizer := getattr(model, "hf_quantizer", None)):
        quantizer.remove_quantization_config(model)  # else it counts as quantized, and is not saved
    loaded: torch.nn.Module = model
    return loaded


def open_encoder(base: BaseModel, max_length: int) -> TextEncoder:
    """The base model's tokenizer as the runtime runs it, cut to what the model can read."""
    tokenizer = open_tokenizer(base)
    pad = padding_id(tokenizer, base.config)
    if pad is None:
        raise ModelError("the tokenizer has no padding token", where=str(base.folder))
    require_ids(tokenizer, base.config, str(base.folder))
    if base.config.model_type in _OFFSET_POSITIONS and base.config.pad_token_id != tokenizer.pad_token_id:
        raise ModelError(
            f"the tokenizer pads with {tokenizer.pad_token_id}, and config.json says {base.config.pad_token_id}, from"
            " which this model counts its positions",
            where=str(base.folder),
            hint="set `pad_token_id` of config.json to the tokenizer's",
        )
    one_way = reads_one_way(base.config)
    accepted = inspect.signature(transformers.AutoModel._model_mapping[type(base.config)].forward).parameters
    names = _DECODER_INPUTS if one_way else tokenizer.model_input_names
    return TextEncoder(
        without_special_pieces(tokenizer.backend_tokenizer),
        EncoderConfig(
            max_length=min(max_length, readable_length(base.config), tokenizer.model_max_length),
            pad_id=pad,
            pad_side="right" if one_way else tokenizer.padding_side,
            inputs=readable_inputs(
                tokenizer,
                base.config,
                tuple(name for name in names if name in accepted),
                str(base.folder),
            ),
        ),
    )


#: What a decoder reads; what its tokenizer calls token types would be read as words by some (GPT-2).
_DECODER_INPUTS = ("input_ids", "attention_mask")
_READ_ANY_ORDER = frozenset({"xlnet"})


def reads_one_way(config: transformers.PretrainedConfig) -> bool:
    """Whether it is a decoder alone: its tokens see those before them, and no padding that fills up at the right."""
    kind = type(config)
    return (
        not config.is_encoder_decoder
        and kind in transformers.AutoModelForCausalLM._model_mapping
        and kind not in transformers.AutoModelForMaskedLM._model_mapping
        and config.model_type not in _READ_ANY_ORDER
    )


def padding_id(tokenizer: Any, config: transformers.PretrainedConfig) -> int | None:  # noqa: ANN401
    """The id that rows are filled up with; of a decoder without one that of its end token, which no text holds."""
    pad: int | None = tokenizer.pad_token_id
    return tokenizer.eos_token_id if pad is None and reads_one_way(config) else pad


def save_tokenizer(base: BaseModel, folder: Path) -> None:
    """Write the base model's tokenizer files into `folder`, with that of its targets where it has another."""
    open_tokenizer(base).save_pretrained(folder)
    if (base.folder / TARGET_TOKENIZER).is_file():
        shutil.copyfile(base.folder / TARGET_TOKENIZER, folder / TARGET_TOKENIZER)


def open_tokenizer(base: BaseModel) -> transformers.PreTrainedTokenizerFast:
    """The base model's tokenizer, one that the `tokenizers` library runs.

    Raises:
        ModelError: there is none, or none of that kind.
    """
    where = str(base.folder)
    form = {"gguf_file": base.gguf} if base.gguf else {}
    if not base.gguf:
        require_tokenizer(base.folder)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            base.folder, local_files_only=True, config=base.config, **form
        )
    except (ImportError, *_UNLOADABLE) as error:
        what = f"the base model's tokenizer does not load: {str(error).partition(chr(10))[0][:200]}"
        raise ModelError(what, where=where) from error
    except Exception as error:  # tokenizers raises the bare class
        if type(error) is not Exception:
            raise
        raise ModelError(
            f"the base model's tokenizer does not load: {str(error)[:200]}", where=where
        ) from error
    if not tokenizer.is_fast and (note := rebuild(tokenizer, where)) and note not in base.notes:
        base.notes.append(note)
    return tokenizer


def readable_length(config: transformers.PretrainedConfig) -> int:
    """Tokens that the model has positions for (RoBERTa's count from the padding id on)."""
    if isinstance(config, transformers.EncoderDecoderConfig):
        return min(map(readable_length, (config.encoder, config.decoder)))
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return 1_000_000
    offset = config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS and config.pad_token_id else 0
    return limit - offset


_OFFSET_POSITIONS = frozenset(
    {
        "roberta",
        "xlm-roberta",
        "xlm-roberta-xl",
        "camembert",
        "mpnet",
        "longformer",
        "roberta-prelayernorm",
        "data2vec-text",
    }
)
