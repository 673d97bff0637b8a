"""A base model's tokenizer for writing texts: which special tokens, languages and prompt frame source and target."""

from __future__ import annotations

from typing import Any

import transformers
from tokenizers import Tokenizer

from ftcore.errors import ModelError
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.modeling.base_model import BaseModel, open_tokenizer, readable_length
from ftcore.modeling.chat_template import chat_frame
from ftcore_runtime.encoding import TARGET_TOKENIZER, EncoderConfig, TextEncoder
from ftcore_runtime.generation.settings import TextFrame
from ftcore_runtime.special_tokens import without_special_pieces

_PROBE = "a"  # any text: what a tokenizer puts around it is the same for all


class FramedEncoder(TextEncoder):
    """A tokenizer that knows what stands around texts."""

    def __init__(
        self, tokenizer: Tokenizer, config: EncoderConfig, target: TextEncoder | None, frame: TextFrame
    ) -> None:
        super().__init__(tokenizer, config, target)
        self.frame = frame


def open_text(base: BaseModel, spec: TextGenerationSpec) -> FramedEncoder:
    """The tokenizer as the runtime runs it, with what stands around texts.

    Raises:
        ModelError: no tokenizer, no end token, or languages that it does not know.
        BundleError: the file of the targets' tokenizer holds none.
    """
    tokenizer = open_tokenizer(base)
    where = str(base.folder)
    if tokenizer.eos_token_id is None:
        raise ModelError("the tokenizer has no token that ends a text", where=where)
    both = base.config.is_encoder_decoder
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    frame = _frame(tokenizer, base.config, spec, pad, where)
    config = EncoderConfig(
        max_length=min(spec.model.max_length, readable_length(base.config)),
        pad_id=pad,
        pad_side="right" if both else "left",
        inputs=("input_ids", "attention_mask"),
    )
    _require_positions(base.config, spec, config.max_length)
    room = config.max_length - len(frame.source_before) - len(frame.source_after)
    if room < 1:
        raise ModelError(
            f"the prompt leaves no room for a text in {config.max_length} tokens",
            where="data.prompt",
            hint="shorten it, or raise `model.max_length`",
        )
    target = _target(base, config, tokenizer) if both else None
    return FramedEncoder(without_special_pieces(tokenizer.backend_tokenizer), config, target, frame)


def _target(base: BaseModel, config: EncoderConfig, tokenizer: Any) -> TextEncoder | None:  # noqa: ANN401
    """The tokenizer of the targets, where the model has one for them."""
    file = base.folder / TARGET_TOKENIZER
    own = getattr(tokenizer, "target_backend", None)  # Marian's, of two sentencepiece models
    if own is None and not file.is_file():
        return None
    target = (
        TextEncoder.load(file, config) if own is None else TextEncoder(without_special_pieces(own), config)
    )
    special = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
    if odd := [token for token, index in special if target.tokenizer.token_to_id(token) != index]:
        raise ModelError(
            f"{odd[0]!r} has not the id that it has in tokenizer.json",
            where=str(file),
            hint="special tokens frame sources and targets, and need the same ids in both",
        )
    return target


def _require_positions(config: transformers.PretrainedConfig, spec: TextGenerationSpec, source: int) -> None:
    """Refuse answers that the model has no positions for."""
    answer = max(spec.model.max_target_length, spec.generation.max_length or 0)
    needed = answer + 1 if config.is_encoder_decoder else source + answer
    if needed > (there := readable_length(config)):
        raise ModelError(
            f"the base model has positions for {there} tokens, and {needed} are asked for",
            where="model.max_target_length",
            hint="lower `model.max_target_length` (of a decoder alone also `model.max_length`)",
        )


def _frame(
    tokenizer: Any,  # noqa: ANN401 (transformers is not typed here)
    config: transformers.PretrainedConfig,
    spec: TextGenerationSpec,
    pad: int,
    where: str,
) -> TextFrame:
    data = spec.data
    if spec.model.prompt == "chat":
        return _chat_frame(tokenizer, config, spec, pad, where)
    _set_languages(tokenizer, data.source_language, data.target_language, where)
    before, after = _around(tokenizer, tokenizer(_PROBE))
    prompt = data.prompt.split("{source}")
    head, tail = (
        tokenizer(part.rstrip(" "), add_special_tokens=False).input_ids if part.strip(" ") else []
        for part in prompt
    )
    if before and tuple(head[: len(before)]) == before:
        before = ()  # the prompt writes it out
    ends = _ends(config, tokenizer)
    if not config.is_encoder_decoder:
        return TextFrame((*before, *head), (*tail,), (), ends, pad, None)
    target_before, _ = _around(tokenizer, tokenizer(text_target=_PROBE))
    start = getattr(config, "decoder_start_token_id", None)
    if start is None and data.target_language:  # mBART: an answer begins with its language
        start, target_before = tokenizer.convert_tokens_to_ids(data.target_language), ()
    if start is None:
        raise ModelError("config.json has no decoder_start_token_id", where=where)
    if target_before[:1] == (start,):  # the start token is the tokenizer's own: once is enough
        target_before = target_before[1:]
    return TextFrame((*before, *head), (*tail, *after), target_before, ends, pad, start)


def _chat_frame(
    tokenizer: Any,  # noqa: ANN401
    config: transformers.PretrainedConfig,
    spec: TextGenerationSpec,
    pad: int,
    where: str,
) -> TextFrame:
    """The tokenizer's chat template around a text; an answer ends with the first special token that ends it there.

    Raises:
        ModelError: an encoder-decoder, or a template that cannot be used.
    """
    if config.is_encoder_decoder:
        raise ModelError("only decoders have chats", where="model.prompt", hint="leave `prompt: chat` out")
    chat = chat_frame(tokenizer, spec.data.prompt, spec.data.system, where)
    before, after, end = (
        tokenizer(part, add_special_tokens=False).input_ids if part else []
        for part in (chat.before, chat.after, chat.end)
    )
    added = tokenizer.added_tokens_decoder
    own = [one for one in end[:1] if one in added and added[one].special]
    ends = tuple(dict.fromkeys([*own, *_ends(config, tokenizer)]))
    return TextFrame((*before,), (*after,), (), ends, pad, None)


def _ends(config: transformers.PretrainedConfig, tokenizer: Any) -> tuple[int, ...]:  # noqa: ANN401
    """The tokenizer's own end token first: it is the one that is learnt."""
    named = getattr(config, "eos_token_id", None)
    others = named if isinstance(named, list) else [] if named is None else [named]
    return tuple(dict.fromkeys([tokenizer.eos_token_id, *others]))


def _around(tokenizer: Any, encoded: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:  # noqa: ANN401
    """Special tokens before and after a text."""
    ids = encoded.input_ids
    languages = getattr(tokenizer, "lang_token_to_id", {}).values()  # M2M100's are no special tokens to it
    special = {*tokenizer.all_special_ids, *languages} - {tokenizer.unk_token_id}
    own = [index for index, one in enumerate(ids) if one not in special]
    first, last = (own[0], own[-1]) if own else (len(ids), len(ids))
    return tuple(ids[:first]), tuple(ids[last + 1 :])


def _set_languages(tokenizer: Any, source: str | None, target: str | None, where: str) -> None:  # noqa: ANN401
    """Tell a multilingual tokenizer what it reads and writes."""
    if source is None and target is None:
        return
    if not hasattr(tokenizer, "src_lang") or not hasattr(tokenizer, "tgt_lang"):
        raise ModelError(
            "this tokenizer knows no languages",
            where=where,
            hint="leave `data.source_language` and `data.target_language` out; for T5 say it in `data.prompt`",
        )
    tokens = getattr(tokenizer, "lang_code_to_token", {})  # M2M100's: `__en__` of `en`
    for field, code in (("source_language", source), ("target_language", target)):
        known = code is not None and tokenizer.convert_tokens_to_ids(tokens.get(code, code))
        if code is None or known == tokenizer.unk_token_id:
            raise ModelError(
                f"{code!r} is no language that this tokenizer knows" if code else "give both languages",
                where=f"data.{field}",
                hint="codes are those of the base model: en_XX (mBART), eng_Latn (NLLB), en (M2M100)",
            )
    tokenizer.src_lang, tokenizer.tgt_lang = source, target
