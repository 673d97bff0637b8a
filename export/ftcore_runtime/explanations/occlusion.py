"""Occlusion: how much of an answer's score is lost when a part of the input is left out (Li et al. 2016,
"Understanding Neural Networks through Representation Erasure"). Needs nothing but answers, so any decoder's will do.

What is asked comes in steps, so that a pipeline and a server, which answer in ways of their own, share it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders.base import Decoder
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Explanation, Reason
from ftcore_runtime.explanations.faithfulness import measure_faithfulness
from ftcore_runtime.explanations.parts import CutInput
from ftcore_runtime.inputs import Input

OCCLUSION = "occlusion"

#: Yields inputs, is sent the answers to them, and returns what is made of them.
Steps = Generator[list[Input], Sequence[Answer], Explanation]


def candidates_needed(decoder: Decoder) -> int | None:
    """The `top_k` of the answers that `occlude` is sent: all labels, or as many candidates as there may be."""
    return None if decoder.labels else decoder.most_candidates or None


def occlude(
    decoder: Decoder,
    item: Input,
    targets: Sequence[str] = (),
    *,
    faithfulness: bool = True,
    most_characters: int | None = None,
) -> Steps:
    """Explain the answer to `item`.

    Args:
        targets: what to explain, of all that could be answered; what the answer says if there are none.
        faithfulness: whether to measure it, for the first target; that asks for about half as many inputs again.
        most_characters: see `CutInput`.

    Raises:
        InputError: the input cannot be answered, is one word only, or could not be answered with a target.
    """
    (answer,) = yield [item]
    chosen = chosen_targets(answer, targets)
    cut = CutInput(decoder, item, answer, most_characters)
    answers = yield cut.each_removed()
    reasons = [reason for target in chosen for reason in what_is_lost(target, answer, answers)]
    measured = None
    if faithfulness:
        measured = yield from measure_faithfulness(cut, reasons[0], answers)
    return Explanation(OCCLUSION, cut.texts, answer, cut.parts, reasons, measured)


def what_is_lost(target: str, answer: Answer, without: Sequence[Answer]) -> list[Reason]:
    """The reasons of a target, and of its edges if it has any.

    Args:
        answer: to the whole input.
        without: answers without one part each.
    """
    whole = answer.support(target)
    reasons = [Reason(target, whole, [whole - one.support(target) for one in without])]
    edges = [one.edges(target) for one in without]
    for edge, score in answer.edges(target).items():
        reasons.append(Reason(target, score, [score - one[edge] for one in edges], edge=edge))
    return reasons


def chosen_targets(answer: Answer, wanted: Sequence[str]) -> list[str]:
    """The targets to explain: those that are wanted, or what the answer says.

    Raises:
        InputError: it has no score that could be explained, or could not say what is wanted.
    """
    possible = answer.targets()
    if not possible:
        raise InputError("this answer has no score that words could raise or lower")
    for target in wanted:
        if target not in possible:
            shown = ", ".join(f"`{one}`" for one in possible[:20])
            raise InputError(f"the answer could not be {target!r:.80}", hint=f"it could be {shown}")
    return list(dict.fromkeys(wanted)) or answer.explained()


def drive(steps: Steps, answer: Callable[[list[Input]], Sequence[Answer]]) -> Explanation:
    """Take the steps with what answers inputs."""
    inputs = next(steps)
    while True:
        try:
            inputs = steps.send(answer(inputs))
        except StopIteration as done:
            explanation: Explanation = done.value
            return explanation
