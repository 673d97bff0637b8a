"""Renders a chat template in a process of its own with little time and memory: a base model's template is a program.

Started by `chat_template`: `{"template", "variables", "conversations"}` as JSON on standard input, the texts as JSON on
standard output, or `{"error": ...}`. Jinja's sandbox gives a template no attributes, no files and no modules; the
limits end one that counts for ever, or doubles a text until it fills the memory.
"""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ftcore_runtime.process_limits import limit_process

CPU_SECONDS, MEMORY = 5, 2**29


class Generation(Extension):
    """`{% generation %}` marks what the assistant says, and renders what is within (transformers' own extension)."""

    tags = {"generation"}  # noqa: RUF012 (as Jinja has it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """What stands between the tag and its end."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def rendered(template: str, variables: dict[str, Any], conversations: list[dict[str, Any]]) -> list[str]:
    """The text of each conversation (`messages` and `add_generation_prompt`), as transformers' environment renders it.

    It does not know the day: a template that asks for it writes its default, and the same text tomorrow.

    Raises:
        TemplateError: as Jinja and the template raise it.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    compiled = environment.from_string(template)
    return [compiled.render(**variables, **one) for one in conversations]


def _to_json(value: Any, indent: int | None = None) -> str:  # noqa: ANN401 (whatever a template has)
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def main() -> None:
    """What the process does."""
    limit_process(MEMORY, CPU_SECONDS)
    try:
        answer: dict[str, Any] = {"texts": rendered(**json.load(sys.stdin))}
    except MemoryError:
        answer = {"error": "it takes too much memory"}
    except Exception as error:  # noqa: BLE001 (whatever a template makes Jinja raise)
        answer = {"error": f"{type(error).__name__}: {error}"[:200]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
