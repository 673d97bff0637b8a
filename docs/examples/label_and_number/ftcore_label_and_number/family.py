"""The family: its name, and where its parts are. Nothing of them is imported here."""

from __future__ import annotations

from ftcore.api import Family

_PACKAGE = "ftcore_label_and_number"

FAMILY = Family(
    name="label_and_number",
    spec=f"{_PACKAGE}.spec:LabelAndNumberSpec",
    reader=f"{_PACKAGE}.reader:LabelAndNumberReader",
    model=f"{_PACKAGE}.model:LabelAndNumberModel",
    scoring=f"{_PACKAGE}.scoring:LabelAndNumberScoring",
    export=f"{_PACKAGE}.model:LabelAndNumberExporter",
    decoder="label_and_number",
)
