"""Names of base models: what can be a Hub id, and the models that installed packages carry. Imports none of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ftcore.locate import PREFIX

#: Models from before the Hub had owners, which it still knows by their bare names.
_WITHOUT_OWNER = re.compile(
    r"(albert-(base|large|xlarge|xxlarge)-v[12]|bert-(base|large)-[\w-]+|camembert-base|ctrl|distilgpt2"
    r"|distilbert-base-[\w-]+|distilroberta-base|gpt2(-medium|-large|-xl)?|openai-gpt|roberta-(base|large)[\w-]*"
    r"|t5-(small|base|large|3b|11b)|transfo-xl-wt103|xlm-[\w-]+|xlnet-(base|large)-cased)"
)
_WITH_OWNER = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_PATTERNS = ("*/config.json", "*/*/config.json")


def is_hub_id(ref: str) -> bool:
    """Whether a base model's name has the form of a Hub id: `owner/name`, or one of the few names without an owner."""
    return bool(_WITH_OWNER.fullmatch(ref) or _WITHOUT_OWNER.fullmatch(ref))


def packaged_models() -> list[str]:
    """Models in safetensors that installed packages carry, as `model.base` names them, sorted."""
    found = set()
    for root in {Path(entry) for entry in sys.path if entry}:
        for pattern in _PATTERNS:
            for config in root.glob(pattern):
                module, *inside = config.parent.relative_to(root).parts
                if module.isidentifier() and next(config.parent.glob("*.safetensors"), None):
                    found.add("/".join([PREFIX + module, *inside]))
    return sorted(found)
