"""The teacher of `model.distill_from`: opened, and its outputs for the training rows, computed once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ftcore.data.cache import read_manifest, write_folder
from ftcore.data.features import FeatureStore
from ftcore.errors import ModelError, UserError
from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.families.model import SupportsDistillation
from ftcore.families.opening import open_encoder
from ftcore.modeling.base_model import BaseModel, open_base
from ftcore.modeling.device import torch_device
from ftcore.runs.teacher_folder import TEACHER, teacher_model
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.files import sha256


@dataclass(frozen=True)
class Teacher:
    """A fine-tuned model to learn from.

    Args:
        base: its folder.
        encoder: its own tokenizer.
        files: SHA-256 of configuration and weights, by file.
    """

    base: BaseModel
    encoder: TextEncoder
    files: Mapping[str, str]

    def build(self, family: BoundFamily) -> torch.nn.Module:
        """It in torch, float32, on the device, in eval mode, with its outputs in the family's order.

        Raises:
            ModelError: it was fine-tuned for something else.
        """
        config = copy.deepcopy(self.base.config)  # to build a model changes it
        assert isinstance(family.model, SupportsDistillation)  # or it would not have opened
        return family.model.build_teacher(replace(self.base, config=config)).to(torch_device())


def open_teacher(ref: str, base_dir: Path, family: BoundFamily) -> Teacher:
    """The teacher that `ref` names: a run, or a model as `model.base` names it.

    Raises:
        UserError: there is none; its run is one of another family, or has no model yet; the family cannot learn from
            one.
    """
    if not isinstance(family.model, SupportsDistillation):
        raise UserError(
            f"the family {family.name} cannot learn from a teacher", where=TEACHER, hint="leave it out"
        )
    try:
        base = open_base(teacher_model(ref, base_dir, family.name), base_dir)
    except UserError as error:
        raise ModelError(
            f"the teacher does not open: {error.what}", where=TEACHER, hint=error.hint
        ) from error
    files = [base.folder / "config.json", *sorted(base.folder.glob(base.gguf or "*.safetensors"))]
    encoder = open_encoder(family.model, base)
    return Teacher(base, encoder, {file.name: sha256(file) for file in files if file.is_file()})


def compute_outputs(
    teacher: Teacher,
    family: BoundFamily,
    own: FeatureStore,
    theirs: FeatureStore,
    batch_size: int,
    folder: Path,
) -> dict[str, np.ndarray]:
    """The teacher's outputs for some rows: name -> float32 [features, ...], memory-mapped from `folder`.

    They are computed once: what an earlier call has left in `folder` is returned as it is.

    Args:
        own, theirs: the rows, tokenised for the student and for the teacher.

    Raises:
        UserError: it was fine-tuned for something else, or answers by token and reads other tokens.
    """
    if make_decoder(family.scoring.decoder).by_token and not own.has_tokens_of(theirs):
        raise UserError(
            "the teacher answers by token, and its tokens are not the student's",
            where=TEACHER,
            hint="take a `model.base` with the teacher's tokenizer, or a teacher with that of the base",
        )
    manifest = read_manifest(folder)
    if manifest is None:
        outputs = predict(teacher.build(family), family, theirs, batch_size)
        with write_folder(folder) as (made, content):
            for name, values in outputs.items():
                np.save(made / f"{name}.npy", values, allow_pickle=False)
            content["outputs"] = list(outputs)
        manifest = {"outputs": list(outputs)}
    return {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in manifest["outputs"]
    }
