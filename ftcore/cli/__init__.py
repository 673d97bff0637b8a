"""The command line. Each command is a module with `add(subparsers)` and `run(args)`; bodies import lazily."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ftcore import __version__
from ftcore.cli.epilogs import epilog
from ftcore.cli.options import Parser, add_common
from ftcore.cli.streams import open_standard_streams
from ftcore.errors import CheckFailed, ExitCode, Interrupted, RunFailed, UserError
from ftcore.system_errors import SYSTEM, sentence, system_error
from ftcore.waiting import wait_asleep
from ftcore_runtime.terminal import printable

#: In the order of `ftcore --help`.
COMMANDS = (
    "init",
    "audit",
    "recommend",
    "run",
    "resume",
    "reproduce",
    "train",
    "evaluate",
    "export",
    "predict",
    "bundle",
    "serve",
    "package",
    "push",
    "runs",
    "compare",
    "errors",
    "explain",
    "clean",
    "suggest",
    "validate",
    "tasks",
    "plugins",
    "schema",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; those of the process if not given.

    Returns:
        The exit code (`ftcore.errors.ExitCode`).
    """
    open_standard_streams()
    wait_asleep()
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        named = arguments[0] if arguments and arguments[0] in COMMANDS else None
        args = make_parser(named).parse_args(arguments)
        _refuse_addresses(args)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except UserError as error:
        return _fail(error, ExitCode.BAD_INPUT)
    except CheckFailed as error:
        return _fail(error, ExitCode.CHECK_FAILED)
    except RunFailed as error:
        return _fail(str(error), ExitCode.FAILED)
    except Interrupted as stop:
        return _fail(str(stop), stop.exit_code)
    except KeyboardInterrupt:
        from ftcore.cli.interruption import leave

        return leave(_fail("interrupted", ExitCode.INTERRUPTED))
    except BrokenPipeError:
        # Whoever read our output has closed it: nobody is left to tell. Keep Python's own flush quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except ModuleNotFoundError as error:
        return _fail(_not_installed(error, arguments), ExitCode.BAD_INPUT)
    except SystemExit as stop:  # argparse, after --help and --version
        return stop.code if isinstance(stop.code, int) else ExitCode.OK
    except Exception as error:  # noqa: BLE001 (the last line of defence: one line for people, more with --debug)
        if debug:
            sys.stderr.write(printable("".join(traceback.format_exception(error)), lines=True))
        if (cause := system_error(error)) is not None:
            return _fail(sentence(cause), ExitCode.FAILED if cause.errno in SYSTEM else ExitCode.BAD_INPUT)
        text = f"internal error: {type(error).__name__}: {error}"
        return _fail(
            text if debug else f"{text}\n  help: run again with --debug for the traceback", ExitCode.FAILED
        )


def _refuse_addresses(args: argparse.Namespace) -> None:
    """What is a path of this machine is no address of a store, which would be the name of a folder here."""
    for name, value in vars(args).items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Path) and one.parts[:1] == ("s3:",):
                hint = "a store has rows in Parquet (--input, --pool, `data` of a spec) and answers of --engine ray"
                raise UserError(
                    "is a file or folder on this machine, not in a store",
                    where=name.replace("_", "-"),
                    hint=hint,
                )


def _not_installed(error: ModuleNotFoundError, arguments: Sequence[str]) -> UserError:
    """The base installation is light: say which extra brings what this command needs."""
    package = (error.name or "").partition(".")[0]
    extra = (
        "serve" if {"predict", "explain", "bundle", "serve", "package", "push"} & {*arguments} else "train"
    )
    if package in ("model_signing", "OpenSSL"):
        extra = "sign"
    elif package == "huggingface_hub":
        extra = "hub"
    elif package == "captum":
        extra = "explain"
    elif package == "ray" or (package == "pyarrow" and "predict" in arguments):
        extra = "ray"
    hint = f"pip install 'ftcore[{extra}]'"
    if "validate" in arguments and "--no-data" not in arguments:
        hint += ", or leave the rows unread with --no-data"
    return UserError(f"this needs the package `{package}`, which is not installed", hint=hint)


def make_parser(only: str | None = None) -> Parser:
    """The parser of the command line, with every command, or with the `only` one that an invocation names."""
    codes = "\n".join(f"  {code:<4} {code.meaning}" for code in ExitCode)
    parser = Parser(
        prog="ftcore",
        description="One YAML file in, a measured and tested ONNX bundle out.",
        epilog=f"exit codes:\n{codes}\n",
    )
    parser.add_argument("--version", action="version", version=f"ftcore {__version__}")
    add_common(parser, top=True)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in (only,) if only else COMMANDS:
        import_module(f"ftcore.cli.{name}").add(subparsers)
    for name, command in parser.commands():
        command.epilog = epilog(name, command.epilog)
    return parser


def _fail(error: Exception | str, code: ExitCode) -> int:
    from ftcore.cli.console import print_error

    print_error(error)
    return code
