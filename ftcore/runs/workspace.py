"""What the steps of a run share, made when first asked for: splits, family, tokenizer, features, model."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ftcore import processes
from ftcore.data import Splits
from ftcore.data.features import FeatureStore
from ftcore.data.perturbation import Perturb, changes_of
from ftcore.data.sources import Opened
from ftcore.data.tables import Split
from ftcore.errors import UserError
from ftcore.evaluation.evaluate import Evaluator
from ftcore.events import EventLog, Listener
from ftcore.families import opening
from ftcore.families.bound import BoundFamily
from ftcore.families.model import SupportsOwnTokenizer
from ftcore.families.recipe import Recipe, RecipeChooser, enough_steps
from ftcore.files import read_json, write_json
from ftcore.modeling.base_model import BaseModel, open_base
from ftcore.plugins import LoadedTask
from ftcore.runs.cache import cache_dir, digest_of, one_at_a_time
from ftcore.runs.evaluation_inputs import EvaluationInputs, Outputs, monitored_metric
from ftcore.runs.folder import RunFolder
from ftcore.runs.model_folder import open_model
from ftcore.runs.parts import as_fold
from ftcore.runs.pretraining import PretrainingInputs, pretrain
from ftcore.runs.recipe_choice import fill_by_recipe
from ftcore.runs.rows import open_texts, read_splits
from ftcore.runs.teacher import Teacher, compute_outputs, open_teacher
from ftcore.runs.training_inputs import TrainingInputs
from ftcore.spec.sections import Spec
from ftcore.spec.training import TrainingSpec
from ftcore.training.stopping import StopRequest
from ftcore.watching import Watcher
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.files import sha256


class Workspace:
    """One run at work.

    Args:
        folder: the run's.
        spec: resolved.
        task: with the hooks of its plugin.
        listeners: see every event.
        watchers: are shown every event: the observers, and the `ftcore_event` of the task's plugin.
    """

    def __init__(
        self,
        folder: RunFolder,
        spec: Spec,
        task: LoadedTask,
        listeners: tuple[Listener, ...],
        watchers: tuple[Watcher, ...] = (),
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.task = task
        self.listeners = listeners
        self.watchers = watchers
        first = processes.is_first()
        self.events = EventLog(
            folder.events_file if first else None,
            listeners if first else (),
            watchers if first else (),
        )
        self.base_dir = Path(folder.record()["base_dir"])
        #: What the fine-tuned model responds for the validation rows, where this process has asked it and an export
        #: compares its graphs with all of them.
        self.validated: Outputs | None = None

    @cached_property
    def _unfitted(self) -> BoundFamily:
        """The family before anything was learnt: its reader is all that may be used."""
        return BoundFamily(self.task.family, self.spec)

    @cached_property
    def _fitted_on_rows(self) -> BoundFamily:
        """The family with what it learnt from the training rows of this run, and by tuning."""
        file = self.folder.family_file
        fitted = self._unfitted.reader.restore(read_json(file)) if file.exists() else self.splits.fitted
        return self._unfitted.with_fitted(fitted)

    @cached_property
    def family(self) -> BoundFamily:
        """The family with all that it learnt from the training rows, with the tokenizer too."""
        family = self._fitted_on_rows
        if not isinstance(family.model, SupportsOwnTokenizer):
            return family
        return family.with_fitted(family.model.fit_tokenizer(self.encoder, self._training_rows))

    def keep_family(self, family: BoundFamily) -> None:
        """Work with this one from now on, in later commands too: its thresholds were tuned."""
        assert family.fitted is not None
        write_json(self.folder.family_file, family.fitted.to_json())
        self.family = family

    @cached_property
    def splits(self) -> Splits:
        """The rows; compared with the fingerprints of the run's first reading.

        Raises:
            UserError: an input has changed since.
        """
        splits = read_splits(self._unfitted.reader, self.base_dir, self.task.hooks)
        if fold := self.folder.record().get("fold"):
            splits = as_fold(splits, self._unfitted.reader, *fold)
        before = self.folder.record().get("data")
        fingerprints = [asdict(fingerprint) for fingerprint in splits.fingerprints]
        if before is None and not processes.is_first():
            return splits
        if before is None:
            write_json(self.folder.family_file, splits.fitted.to_json())
            self.folder.update(data=fingerprints, data_report=asdict(splits.report))
            self.events.emit("data_loaded", report=asdict(splits.report))
        elif before != fingerprints:
            raise UserError(
                "the data has changed since this run read it",
                where=str(self.folder.path),
                hint="start a new run, or bring the files back as they were",
            )
        return splits

    def record_inputs(self) -> None:
        """Read data, teacher and base model, and take down what they were."""
        _ = self.changes
        _ = self.splits
        _ = self.teacher
        _ = self.texts
        if processes.is_first() and "base_model" not in self.folder.record():
            weights = sorted(self.base.folder.glob(self.base.gguf or "*.safetensors"))
            self.folder.update(base_model={file.name: sha256(file) for file in weights})

    @cached_property
    def base(self) -> BaseModel:
        """The base model that training starts from; after `training.pretrain`, what became of it."""
        if self.folder.pretrained.is_dir():
            return open_base(str(self.folder.pretrained.resolve()), self.base_dir)
        folder = self.folder.path / "base"
        return opening.open_base(self._fitted_on_rows.model, self.base_dir, self._training_rows, folder)

    def _training_rows(self) -> pa.Table:
        return self.splits["train"].table

    @cached_property
    def encoder(self) -> TextEncoder:
        """The tokenizer; from the fine-tuned model's own folder once there is one."""
        source = open_base(str(self.folder.model.resolve()), self.base_dir) if self.trained else self.base
        return opening.open_encoder(self._fitted_on_rows.model, source)

    @cached_property
    def teacher(self) -> Teacher | None:
        """The model of `model.distill_from`, compared with what this run first read of it.

        Raises:
            UserError: it cannot be learnt from, or has changed since.
        """
        if (ref := self.spec.model.distill_from) is None:
            return None
        teacher = open_teacher(ref, self.base_dir, self.family)
        self._unchanged("teacher", teacher.files, "the teacher has")
        return teacher

    def _unchanged(self, name: str, found: Any, what: str) -> None:  # noqa: ANN401 (as run.json holds it)
        """Compare an input with what this run first read of it, which run.json keeps under `name`.

        Raises:
            UserError: it has changed since.
        """
        before = self.folder.record().get(name)
        if before is None and processes.is_first():
            self.folder.update(**{name: found})
        elif before is not None and before != found:
            raise UserError(
                f"{what} changed since this run read it",
                where=str(self.folder.path),
                hint="start a new run, or bring the files back as they were",
            )

    @cached_property
    def texts(self) -> Opened | None:
        """The texts of `training.pretrain`, compared with what this run first read of them.

        Raises:
            UserError: they cannot be read, or have changed since.
        """
        if self.spec.training.pretrain is None:
            return None
        texts = open_texts(self.spec.training.pretrain, self.base_dir)
        self._unchanged("texts", texts.sha256, "the texts of `training.pretrain` have")
        return texts

    def pretrain(self, stop: StopRequest, resume: bool) -> None:
        """Train the base model on the texts of `training.pretrain`; from here on it is the base model.

        Raises:
            UserError, Interrupted, RunFailed: see `ftcore.runs.pretraining`.
        """
        assert self.texts is not None
        inputs = PretrainingInputs(self.spec, self.base, self.encoder, self.texts, self.folder, self.events)
        pretrain(inputs, stop, resume)
        del self.base

    @cached_property
    def training(self) -> TrainingSpec:
        """The section `training` with nothing left open: the recipe, chosen once a run, has filled it in."""
        return fill_by_recipe(self.spec.training, self.folder, self._choose_recipe, self.events.emit)

    def _choose_recipe(self) -> Recipe:
        rows, held_out = (self.splits[split].table.num_rows for split in ("train", "validation"))
        if isinstance(chooser := self.family.model, RecipeChooser):
            return chooser.choose_recipe(self.base, rows, held_out)
        return enough_steps(self.spec.training, rows, self.base.hidden_size, fresh_head=False)

    def teacher_outputs(self, rows: Split | None = None) -> dict[str, np.ndarray]:
        """The teacher's outputs for the training rows, from the cache where an earlier run computed them.

        Args:
            rows: others than those of the training split.
        """
        teacher, family = self.teacher, self.family
        assert teacher is not None
        rows = rows or self.splits.train
        own, theirs = self.features(rows), self.tokenised(rows, teacher.encoder)
        self.events.emit("teacher_asked", rows=rows.table.num_rows)
        parts = [*self._key_of(rows), family.name, family.model.encoding_key, teacher.files]
        parts.append(teacher.encoder.fingerprint)
        folder = cache_dir() / "teacher" / digest_of(parts)
        # Whether they are computed or found, training goes on with the same random numbers.
        with one_at_a_time(["teacher", folder.name]), torch.random.fork_rng(devices=[]):
            return compute_outputs(teacher, family, own, theirs, self.spec.evaluation.batch_size, folder)

    def features(self, rows: str | Split) -> FeatureStore:
        """The rows of a split (or its name) as the model reads them."""
        return self.tokenised(rows, self.encoder)

    def tokenised(self, rows: str | Split, encoder: TextEncoder) -> FeatureStore:
        """The tokenised rows of a split, from the cache when the same rows were tokenised alike before."""
        family = self.family
        rows = self.splits[rows] if isinstance(rows, str) else rows
        parts = [
            *self._key_of(rows),
            family.name,
            family.model.encoding_key,
            encoder.fingerprint,
        ]
        path = cache_dir() / "features" / f"{digest_of(parts)}.arrow"
        with one_at_a_time(["features", path.stem]):
            return FeatureStore.build(rows.table, family.model, encoder, path)

    def _key_of(self, rows: Split) -> list[Any]:
        """What tells the rows of a split (or a part of one) from any others."""
        return [self.splits.key, rows.name, self.spec.data.split.seed]

    @cached_property
    def changes(self) -> dict[str, tuple[Perturb, float]]:
        """The changes of texts of `checks.invariance`; see `changes_of`."""
        return changes_of(self.spec.checks.invariance, self.base_dir)

    @property
    def evaluator(self) -> Evaluator:
        """Metrics of family and plugin, of the family as it is now: `keep_family` changes it."""
        spec = self.spec.evaluation
        return Evaluator(self.family, self.task.hooks, resamples=spec.bootstrap, confidence=spec.confidence)

    @property
    def evaluation_inputs(self) -> EvaluationInputs:
        """Rows and metrics to measure models with."""
        refitted = self.folder.selection_file.exists()
        return EvaluationInputs(
            self.splits, self.evaluator, self.metric, self.spec.evaluation.batch_size, refitted
        )

    @property
    def training_inputs(self) -> TrainingInputs:
        """What a model of this run is made from."""
        return TrainingInputs(
            evaluation=self.evaluation_inputs,
            spec=self.spec,
            training=self.training,
            base=self.base,
            encoder=self.encoder,
            hooks=self.task.hooks,
            features=self.features,
            teacher_outputs=self.teacher_outputs,
            spec_sha256=sha256(self.folder.spec_file),
            events=self.events,
        )

    @property
    def metric(self) -> str:
        """Name of the metric that picks the best checkpoint: the spec's, the task's or the family's."""
        return monitored_metric(self.spec, self.task, self.family)

    @property
    def trained(self) -> bool:
        """Whether the run has its fine-tuned model."""
        return self.folder.model.is_dir()

    def fine_tuned(self) -> torch.nn.Module:
        """The fine-tuned model; see `open_model`."""
        return open_model(self.folder, self.base_dir, self.family)
