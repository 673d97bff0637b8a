"""Tensors of the Open Inference Protocol, which answers make of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

#: Data types of the protocol that hold numbers, with numpy's.
NUMBERS = {"FP32": "<f4", "INT64": "<i8", "BOOL": "?"}


@dataclass(frozen=True)
class Tensor:
    """One output of some answers. Build it with `of_texts` or `of_numbers`.

    Args:
        values: texts of a BYTES tensor (row by row), or an array.
        shape: its first axis is that of the answers.
        varies: whether the size of the second axis is another one for other answers.
    """

    name: str
    datatype: str
    values: Sequence[str] | np.ndarray
    shape: tuple[int, ...]
    varies: bool = False

    @property
    def dims(self) -> list[int]:
        """The axes behind the first, as metadata say it: -1 where the size varies."""
        return [-1] if self.varies else list(self.shape[1:])

    @classmethod
    def of_texts(cls, name: str, texts: Sequence[str]) -> Self:
        """BYTES [answers]."""
        return cls(name, "BYTES", texts, (len(texts),))

    @classmethod
    def of_text_rows(cls, name: str, rows: Sequence[Sequence[str]]) -> Self:
        """BYTES [answers, n] of lists of n texts, where n varies."""
        return cls(name, "BYTES", [text for row in rows for text in row], (len(rows), len(rows[0])), True)

    @classmethod
    def of_numbers(
        cls,
        name: str,
        numbers: Sequence[Any],
        datatype: Literal["FP32", "INT64", "BOOL"] = "FP32",
        *,
        varies: bool = False,
    ) -> Self:
        """Numbers [answers], or [answers, n] of lists of n numbers."""
        array = np.array(numbers, NUMBERS[datatype])
        return cls(name, datatype, array, array.shape, varies)
