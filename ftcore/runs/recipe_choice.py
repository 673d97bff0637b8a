"""The recipe of a run: chosen once, kept in run.json, and filled into the section `training`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from ftcore import processes
from ftcore.events import Emit
from ftcore.families.recipe import Recipe
from ftcore.runs.folder import RunFolder
from ftcore.spec.training import TrainingSpec


def recipe_of(folder: RunFolder) -> Recipe | None:
    """The recipe that a run has chosen; None where it has none yet, or is from before there were recipes."""
    chosen = folder.record().get("recipe")
    return Recipe(**chosen) if chosen else None


def fill_by_recipe(
    training: TrainingSpec,
    folder: RunFolder,
    choose: Callable[[], Recipe],
    emit: Emit,
) -> TrainingSpec:
    """The section with nothing left open.

    Args:
        choose: chooses the recipe; called only where the run has none yet.
        emit: writes an event.
    """
    if (recipe := recipe_of(folder)) is None:
        recipe = choose()
        if processes.is_first():
            folder.update(recipe=asdict(recipe))
    filled = recipe.fill(training)
    fields = {name: getattr(filled, name) for name in recipe.training}
    emit("recipe_chosen", name=recipe.name, why=recipe.why, fields={**recipe.extras, **fields})
    return filled
