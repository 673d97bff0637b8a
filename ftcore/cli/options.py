"""What the commands share: the parser, common options, and how an argument becomes a spec."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ftcore.errors import UserError

if TYPE_CHECKING:
    from ftcore.plugins import PluginRegistry
    from ftcore.spec import ResolvedSpec

Subparsers = Any  # argparse's own type for this is private


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours: with a suggestion where one is near."""

    _subcommands: Any = None

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (argparse's own arguments)
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**{"allow_abbrev": False, **settings})

    def add_subparsers(self, **settings: Any) -> Any:  # noqa: ANN401 (argparse's own, and its return type is private)
        """As argparse does; what is added to it are the commands of this one."""
        self._subcommands = super().add_subparsers(**settings)
        return self._subcommands

    def commands(self) -> Iterator[tuple[str, Parser]]:
        """Each command below this one by its whole name, and before its own commands."""
        for name, command in self._subcommands.choices.items() if self._subcommands else ():
            yield name, command
            yield from ((f"{name} {inner}", found) for inner, found in command.commands())

    def error(self, message: str) -> NoReturn:
        """Raise UserError rather than exit."""
        hint = f"see `{self.prog} --help`"
        if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            choices = [choice.strip("' ") for choice in match[2].split(",")]
            near = get_close_matches(match[1], choices, n=1)
            message = f"there is no `{match[1]}` here"
            hint = f"did you mean `{near[0]}`?" if near else f"choose from {', '.join(choices)}"
        elif match := re.search(r"unrecognized arguments: (--[\w-]+)", message):
            near = get_close_matches(match[1], self._option_string_actions, n=1)
            hint = f"did you mean `{near[0]}`?" if near else hint
        raise UserError(message, where=self.prog, hint=hint)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 (argparse's own)
        """Refuse here what this command does not know: the parser above would suggest what other commands have."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


def add_command(
    subparsers: Subparsers, name: str, run: Callable[[Any], int], summary: str
) -> argparse.ArgumentParser:
    """A command with the options that every command has; `run` does its work and returns the exit code."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=summary, description=summary)
    add_common(parser)
    parser.set_defaults(run=run)
    return parser


def add_common(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """Options of every command. They may stand before the command as well as after it."""

    def default(value: object) -> object:
        return value if top else argparse.SUPPRESS

    parser.add_argument(
        "--plugins-dir",
        metavar="DIR",
        type=Path,
        default=default(None),
        help="folder of drop-in plugins, a file TASK.py each (default: plugins/ here)",
    )
    parser.add_argument(
        "--debug", action="store_true", default=default(False), help="traceback of internal errors"
    )


def add_spec(parser: argparse.ArgumentParser, *, many: bool = False, optional: bool = False) -> None:
    """The SPEC argument(s) and `--set`."""
    help_ = "a spec file, or the bare name of a shipped task file (see `ftcore tasks`)"
    if many:
        parser.add_argument("specs", metavar="SPEC", nargs="*" if optional else "+", help=help_)
    else:
        parser.add_argument("spec", metavar="SPEC", nargs="?" if optional else None, help=help_)
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a value of the spec, as in training.learning_rate=3e-5; may be repeated",
    )


#: Where runs are kept unless a command says otherwise, and where the name of a run is looked up.
RUNS_DIR = Path("runs")


def run_path(argument: str) -> Path:
    """The folder of the run that an argument names; for `type=` of a parser.

    Raises:
        UserError: there is none.
    """
    from ftcore.runs.names import find_run

    return find_run(argument, RUNS_DIR)


def bundle_path(argument: str) -> Path:
    """The bundle's folder that an argument names; for `type=` of a parser.

    Raises:
        UserError: it names a run that has none.
    """
    from ftcore.runs.names import find_bundle

    return find_bundle(argument, RUNS_DIR)


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """The BUNDLE argument."""
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        type=bundle_path,
        help="the folder that holds bundle.json; or a run: its folder, the name of its spec, or `latest`",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`, where the graphs of a bundle run."""
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where the graphs run; cuda needs onnxruntime-gpu, and is for the variants fp32 and fp16 (default: cpu)",
    )


def registry(args: argparse.Namespace) -> PluginRegistry:
    """The plugins of this environment, project and `--plugins-dir`."""
    from ftcore.plugins import PluginRegistry

    return PluginRegistry.discover(plugins_dir=args.plugins_dir)


def resolve(argument: str, args: argparse.Namespace, plugins: PluginRegistry | None = None) -> ResolvedSpec:
    """The spec that a SPEC argument names, with the overrides of `--set`; its base model has been looked into.

    Raises:
        UserError: there is none, or it is not valid.
    """
    from ftcore.catalog import find_spec
    from ftcore.spec import load_spec

    resolved = load_spec(find_spec(argument), plugins or registry(args), args.overrides)
    resolved.check_bases()
    return resolved
