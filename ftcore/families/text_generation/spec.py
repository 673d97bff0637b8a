"""The spec of the family `text_generation`: a text for a text, by an encoder-decoder or a decoder alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from ftcore.spec.base import Columns, Fraction
from ftcore.spec.export import ExportSpec, ToleranceSpec
from ftcore.spec.metrics import MetricInfo
from ftcore.spec.sections import DataSpec, EvaluationSpec, ModelSpec, Section, Spec, TrainingSpec
from ftcore.spec.training import StepsRecipe

Measure = Literal["bleu", "chrf", "rouge", "copying"]

#: Metrics of each group.
_METRICS: Mapping[Measure, Mapping[str, MetricInfo]] = {
    "bleu": {
        "bleu": MetricInfo("BLEU of the corpus, sacrebleu's; `metrics.json` has its signature", point=1.0)
    },
    "chrf": {"chrf": MetricInfo("chrF of the corpus, sacrebleu's", point=1.0)},
    "rouge": {
        "rouge1": MetricInfo("ROUGE-1: F1 of words in percent, rouge-score's, without stemming", point=1.0),
        "rouge2": MetricInfo("ROUGE-2: the same of pairs of words", point=1.0),
        "rougeL": MetricInfo("ROUGE-L: the same of the longest common subsequence", point=1.0),
        "rougeLsum": MetricInfo("The same, line by line", point=1.0),
    },
    "copying": {
        "copied_bigrams": MetricInfo("Share of the answers' bigrams that stand in the source", lower=True),
        "novel_bigrams": MetricInfo("Share of the answers' bigrams that do not"),
    },
}
_ALWAYS: Mapping[str, MetricInfo] = {
    "length_ratio": MetricInfo("Words of the answers over those of the references: 1 is as long"),
    "repetition": MetricInfo("Share of the answers' trigrams that the same answer had before", lower=True),
    "score_auroc": MetricInfo(
        "How often, of an answer of the better and one of the worse half (by the chrF of each row, or ROUGE-L), the"
        " better one has the higher score; 0.5 is chance"
    ),
}


class TextGenerationColumns(Columns):
    """The names that the source gives its columns."""

    source: str = Field("source", min_length=1, description="The text that is read.")
    target: str = Field("target", min_length=1, description="The text that is to be written.")


class TextGenerationData(DataSpec):
    """What is learnt from: texts, and what is to be written for each."""

    columns: TextGenerationColumns = Field(default_factory=TextGenerationColumns)
    prompt: str = Field(
        "{source}",
        description="What the model reads: `{source}` stands for the text. Of T5 a prefix, of a decoder an instruction;"
        " the tokenizer's special tokens may be written out.",
    )
    system: str | None = Field(
        None,
        min_length=1,
        description="`model.prompt: chat`: what the system says before the message; unless given, what the chat"
        " template writes by itself.",
    )
    source_language: str | None = Field(
        None, min_length=1, description="Code that the base model's tokenizer knows (mBART, NLLB: eng_Latn)."
    )
    target_language: str | None = Field(
        None, min_length=1, description="Code that the base model's tokenizer knows (mBART, NLLB: zho_Hans)."
    )

    @model_validator(mode="after")
    def _prompt_has_the_text(self) -> TextGenerationData:
        if self.prompt.count("{source}") != 1:
            raise ValueError("`prompt` must have `{source}` in it, once")
        return self


class VocabularySpec(Section):
    """The tokenizer that is trained on the training rows, where a model is made from its configuration alone."""

    joint: bool = Field(
        True,
        description="One tokenizer and embedding for sources and targets; false: one each (models of the type marian).",
    )
    size: int = Field(4000, ge=300, le=1_000_000, description="Tokens of each tokenizer, at most.")
    min_frequency: int = Field(2, ge=1, description="Pairs that occur more seldom are not merged.")


class TextGenerationModel(ModelSpec):
    """What is fine-tuned, or trained from scratch."""

    base: str = Field(
        min_length=1,
        description="A folder with config.json and *.safetensors, a .gguf file, `package:<module>/<path>`, or a Hub id;"
        " with `init: config` a preset (transformer-tiny, marian-small) or a folder with config.json.",
    )
    init: Literal["weights", "config"] = Field(
        "weights", description="config: from scratch, with a tokenizer trained on the training rows."
    )
    decoder_base: str | None = Field(
        None,
        min_length=1,
        description="With it `base` is an encoder, and this is another one of the same vocabulary (or the same one)"
        " that becomes its decoder, with new cross-attention (Rothe et al. 2020): BERT, RoBERTa, XLM-R, ELECTRA.",
    )
    vocabulary: VocabularySpec = Field(default_factory=VocabularySpec)
    prompt: Literal["plain", "chat"] = Field(
        "plain",
        description="chat: `data.prompt` is a message of the user in the tokenizer's chat template, and the answer is"
        " that of the assistant; of decoders alone.",
    )
    max_length: int = Field(256, ge=4, le=131_072, description="Tokens of one source; longer ones are cut.")
    max_target_length: int = Field(
        128, ge=2, le=131_072, description="Tokens of one target; longer ones are cut."
    )

    @property
    def pretrained(self) -> tuple[str, ...]:
        """Both halves of a warm start; nothing of a model that is made from its configuration alone."""
        if self.init == "config":
            return ()
        return ("base", "decoder_base") if self.decoder_base else ("base",)

    @model_validator(mode="after")
    def _scratch_is_whole(self) -> TextGenerationModel:
        if self.init == "config" and self.lora:
            raise ValueError("`lora` updates weights, and `init: config` has none: leave one out")
        if self.init == "weights" and not self.vocabulary.joint:
            raise ValueError("`vocabulary` is that of `init: config`: weights bring their own, joint or not")
        if self.decoder_base and self.init == "config":
            raise ValueError("`decoder_base` has weights, and `init: config` has none: leave one out")
        if self.decoder_base and self.lora:
            raise ValueError("`decoder_base` brings cross-attention to be learnt whole: leave `lora` out")
        return self


class SamplingSpec(Section):
    """Draw tokens at random instead of taking the most probable one."""

    temperature: float = Field(1.0, gt=0, le=100, description="Logits are divided by it.")
    top_k: int = Field(0, ge=0, description="Only so many of the most probable tokens are drawn; 0: all.")
    top_p: float = Field(
        1.0, gt=0, le=1, description="Only the most probable tokens that together reach it are drawn."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="The same text and seed give the same answer.")


class GenerationSpec(Section):
    """How texts are written: in evaluation, and in the bundle. Lengths are tokens of the answer alone."""

    num_beams: int = Field(1, ge=1, le=64, description="1: greedy, or sampling; more: beam search.")
    max_length: int | None = Field(
        None, ge=1, description="Longest answer; that of the training targets unless given."
    )
    min_length: int = Field(0, ge=0, description="Shortest answer.")
    length_penalty: float = Field(
        1.0, description="Beams: scores are divided by length to this power; above 0 favours long answers."
    )
    early_stopping: bool = Field(
        False, description="Beams: stop at `num_beams` finished answers, however good the others could get."
    )
    no_repeat_ngram_size: int = Field(
        0, ge=0, le=100, description="No n-gram of so many tokens occurs twice; 0: off."
    )
    sampling: SamplingSpec | None = Field(None, description="The most probable token unless given.")

    @model_validator(mode="after")
    def _fits_together(self) -> GenerationSpec:
        if self.sampling and self.num_beams > 1:
            raise ValueError("`sampling` draws one answer: leave `num_beams` at 1")
        if self.max_length is not None and self.min_length > self.max_length:
            raise ValueError("`min_length` is more than `max_length`")
        return self


class TextGenerationTraining(TrainingSpec):
    """How it is fine-tuned."""

    recipe: StepsRecipe = Field(
        "auto",
        description="Chooses what the spec leaves open of rates, epochs and batches. auto and steps: rates by the size"
        " of the base model, and at least 400 optimizer steps where 20 passes make as many.",
    )

    label_smoothing: Fraction = Field(0.0, description="Share of each target token spread over all tokens.")

    @model_validator(mode="after")
    def _writes(self) -> TextGenerationTraining:
        if self.pretrain:
            raise ValueError("`pretrain` needs an encoder, and this task's models write: leave it out")
        return self


#: What is counted of texts.
Tokenization = Literal["13a", "intl", "zh", "char", "none"]


class TextGenerationEvaluation(EvaluationSpec):
    """How it is measured."""

    batch_size: int = Field(32, ge=1, le=65_536, description="Rows a batch.")
    tokenization: Literal["auto", "13a", "intl", "zh", "char", "none"] = Field(
        "auto",
        description="What is counted: sacrebleu's tokenizers; of ROUGE and the rates single characters with zh and"
        " char, else words. `auto` goes by the script of the training targets: zh where it is Chinese, char where it"
        " is another without blanks, else 13a.",
    )


class TextGenerationTolerance(ToleranceSpec):
    """What parity with torch must meet. One token that is another makes another text, mostly one as good."""

    int8_flips: Fraction = Field(
        0.3, description="Largest share of rows whose text changes in every other variant than fp32."
    )


class TextGenerationExport(ExportSpec):
    """What is deployed."""

    tolerance: TextGenerationTolerance = Field(default_factory=TextGenerationTolerance)


class TextGenerationSpec(Spec):
    """A spec of the family."""

    family: ClassVar[str] = "text_generation"
    #: Groups of metrics of the task.
    measures: ClassVar[tuple[Measure, ...]] = ("bleu", "chrf", "rouge")

    data: TextGenerationData
    model: TextGenerationModel
    generation: GenerationSpec = Field(default_factory=GenerationSpec)
    training: TextGenerationTraining = Field(default_factory=TextGenerationTraining)
    evaluation: TextGenerationEvaluation = Field(default_factory=TextGenerationEvaluation)
    export: TextGenerationExport = Field(default_factory=TextGenerationExport)

    @property
    def known_metrics(self) -> Mapping[str, MetricInfo]:
        """Of the task's groups, and of the answers' shape."""
        found = {name: info for measure in self.measures for name, info in _METRICS[measure].items()}
        return {**found, **_ALWAYS}

    @model_validator(mode="after")
    def _system_is_of_a_chat(self) -> TextGenerationSpec:
        if self.data.system is not None and self.model.prompt != "chat":
            raise ValueError("`data.system` is of `model.prompt: chat`: give both, or leave it out")
        if self.model.prompt == "chat" and (self.model.init == "config" or self.model.decoder_base):
            raise ValueError("`model.prompt: chat` is of a decoder with a chat template of its own")
        return self

    @model_validator(mode="after")
    def _trains_tokens(self) -> TextGenerationSpec:
        if self.training.augment is not None:
            raise ValueError(
                "`training.augment` changes sources whose target would no longer hold: leave it out"
            )
        if self.model.distill_from:
            raise ValueError("`model.distill_from` is for models that read, not for those that write")
        return self
