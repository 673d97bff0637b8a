"""`ftcore package TARGET BUNDLE`: a bundle, or a run, as what another engine or cloud takes. Needs no torch."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import Subparsers, add_bundle, add_command, add_common
from ftcore.cli.work import add_run
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore_server.packaging.installing import Installation
    from ftcore_server.packaging.target import Packed
    from ftcore_server.packaging.triton import Instances


@dataclass(frozen=True)
class _Target:
    """One engine.

    Args:
        summary: for `--help`.
        write: writes the folder, and returns what is to be printed after its name.
        options: adds those that only it has.
        deploys: whether it takes a bundle: under a name, with the graphs of a variant. Else it takes a run.
    """

    summary: str
    write: Callable[[argparse.Namespace], list[str]]
    options: tuple[Callable[[argparse.ArgumentParser], Any], ...] = ()
    deploys: bool = True


def _fitting(option: str, pattern: str, what: str) -> Callable[[str], str]:
    """A `type=` of a parser: what is written into another program's file must be what that takes.

    Args:
        what: it is to be, as in "is no ...".
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise UserError(f"{text!r:.80} is no {what}", where=option)
        return text

    return check


def _add_wheel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wheel",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="install this wheel of ftcore, or of the decoder's distribution, not an index's release; may be repeated",
    )


def _add_image(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image",
        required=True,
        type=_fitting("--image", r"[A-Za-z0-9][\w.:/@-]*", "name of an image, as in registry/reviews:1"),
        help="a container whose entry point is ftcore",
    )


def _add_sagemaker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sagemaker", action="store_true", help="as SageMaker runs it: /ping and /invocations at port 8080"
    )


def _add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--storage",
        metavar="URI",
        required=True,
        type=_fitting("--storage", r"[a-z][a-z0-9+.-]*://[!-~]+", "address, as in pvc://models/reviews"),
        help="where the cluster finds the bundle's folder",
    )


def _add_replicas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--replicas", metavar="N", type=int, default=2, help="pods at least (default: 2)")


def _add_instances(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", metavar="N", type=int, default=1, help="of one run of the graph on CPUs (default: 1)"
    )
    parser.add_argument("--kind", choices=("cpu", "gpu"), help="where the graph runs (default: cpu)")
    parser.add_argument(
        "--count", metavar="N", type=int, help="copies of the graph, on each GPU (default: 1)"
    )
    parser.add_argument(
        "--group",
        dest="groups",
        metavar="VARIANT=KIND[:COUNT]",
        action="append",
        default=[],
        help="a model of its own for this variant, as in fp16=gpu:2; may be repeated, in place of --variant, --kind and"
        " --count",
    )


def _add_machines(parser: argparse.ArgumentParser) -> None:
    for option, metavar, default, text in (
        ("--instance", "TYPE", "Standard_DS3_v2", "of the online endpoint's machines"),
        ("--batch-cluster", "NAME", "cpu-cluster", "answers files"),
        ("--gpu-cluster", "NAME", "gpu-cluster", "fine-tunes a RUN again"),
    ):
        kind = _fitting(option, r"[A-Za-z0-9][A-Za-z0-9_-]*", "name of letters, digits, '_' and '-'")
        parser.add_argument(option, metavar=metavar, default=default, type=kind, help=text)


def _triton(args: argparse.Namespace) -> list[str]:
    from ftcore_server.packaging.triton import write_triton

    packed = _packed(args)
    members = _triton_members(packed, args)
    if packed.pipeline.generates and any(instances.gpu for _, instances in members):
        where = "--group" if args.groups else "--kind"
        raise UserError("a bundle that generates texts runs in a step on CPUs", where=where)
    write_triton(members, args.output)
    return [f"model: {one.name} ({one.pipeline.variant})" for one, _ in members] if args.groups else []


def _triton_members(packed: Packed, args: argparse.Namespace) -> list[tuple[Packed, Instances]]:
    """The bundle itself, or a member for each group of `--group`."""
    from ftcore_server.packaging.triton import Instances, variants_of

    _require_one(args.threads, "--threads")
    if not args.groups:
        _require_one(count := 1 if args.count is None else args.count, "--count")
        return [(packed, Instances(args.kind == "gpu", count, args.threads))]
    if given := [name for name in ("variant", "kind", "count") if getattr(args, name) is not None]:
        raise UserError(
            "says all of it: give one of the two", where="--group", hint=f"leave out --{given[0]}"
        )
    try:
        found = [Instances.parse(text, args.threads) for text in args.groups]
    except UserError as error:
        raise UserError(error.what, where="--group") from None
    groups = dict(found)
    if len(groups) < len(found):
        raise UserError("names a variant twice", where="--group", hint="give its copies a number: fp16=gpu:2")
    return variants_of(packed, groups)


def _kserve(args: argparse.Namespace) -> list[str]:
    from ftcore_server.packaging.kserve import write_kserve

    write_kserve(_packed(args), args.output, image=args.image, storage=args.storage)
    return []


def _kubernetes(args: argparse.Namespace) -> list[str]:
    from ftcore_server.packaging.kubernetes import write_kubernetes

    _require_one(args.replicas, "--replicas")
    write_kubernetes(_packed(args), args.output, image=args.image, replicas=args.replicas)
    return [f"next: kubectl apply -f {args.output}"]


def _docker(args: argparse.Namespace) -> list[str]:
    from ftcore_server.packaging.docker import write_docker

    packed = _packed(args)
    installation = _installation(packed.requirements, args.wheel)
    write_docker(packed, args.output, installation, sagemaker=args.sagemaker)
    return []


def _mlflow(args: argparse.Namespace) -> list[str]:
    from ftcore_server.packaging.mlflow import write_mlflow

    packed = _packed(args)
    if packed.pipeline.variant != packed.pipeline.manifest.default_variant:
        raise UserError("MLflow answers from the bundle's default variant", where="--variant")
    write_mlflow(packed, args.output, _installation(packed.requirements, args.wheel))
    return []


def _nemo(args: argparse.Namespace) -> list[str]:
    from ftcore.cli.options import registry
    from ftcore.runs.folder import open_run
    from ftcore.runs.nemo import RECIPE, write_nemo

    write_nemo(open_run(args.run_path), args.output, registry(args))
    return [f"next: cd {args.output} && automodel {RECIPE} --nproc-per-node 8"]


def _azureml(args: argparse.Namespace) -> list[str]:
    from ftcore.runs.folder import RunFolder
    from ftcore.runs.portable import training_requirements, write_portable
    from ftcore_server.packaging.azureml import Job, Machines, write_azureml
    from ftcore_server.packaging.installing import Installation

    packed = _packed(args)
    run, job = RunFolder(args.bundle.parent), None
    if args.bundle.name == run.bundle.name and run.record_file.is_file():
        installation = Installation.of(training_requirements(run), args.wheel)
        job = Job(lambda folder: write_portable(run, folder), installation)
    machines = Machines(args.instance, args.batch_cluster, args.gpu_cluster)
    served = _installation(packed.requirements, args.wheel)
    return write_azureml(packed, args.output, served, machines, job)


_TARGETS = {
    "triton": _Target(
        "a model repository: the graph in the ONNX backend behind a step in the Python backend",
        _triton,
        (_add_instances,),
    ),
    "kserve": _Target(
        "an InferenceService",
        _kserve,
        (_add_image, _add_storage),
    ),
    "kubernetes": _Target(
        "Deployment, Service, HorizontalPodAutoscaler and PodDisruptionBudget",
        _kubernetes,
        (_add_image, _add_replicas),
    ),
    "docker": _Target(
        "Dockerfile, compose file and bundle for an image that serves it",
        _docker,
        (_add_wheel, _add_sagemaker),
    ),
    "mlflow": _Target(
        "a model in the pyfunc flavour, for whatever deploys those",
        _mlflow,
        (_add_wheel,),
    ),
    "azureml": _Target(
        "Azure ML: an online and a batch endpoint, and of a RUN a job that fine-tunes it on a GPU",
        _azureml,
        (_add_wheel, _add_machines),
    ),
    "nemo": _Target(
        "NVIDIA NeMo Automodel: a RUN's model and rows with a recipe that fine-tunes on many GPUs",
        _nemo,
        deploys=False,
    ),
}


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "package",
        help="write what another engine or cloud takes a bundle as",
        description="Write what another engine or cloud takes a bundle as.",
    )
    add_common(parser)
    targets = parser.add_subparsers(metavar="TARGET", required=True)
    for name, target in _TARGETS.items():
        one = add_command(targets, name, run, target.summary)
        one.set_defaults(target=name)
        if target.deploys:
            add_bundle(one)
        else:
            add_run(one)
        one.add_argument(
            "--output", metavar="DIR", type=Path, required=True, help="a folder that is not there yet"
        )
        if target.deploys:
            one.add_argument("--name", help="what it is deployed as; made of the bundle's name if not given")
            one.add_argument(
                "--variant", metavar="NAME", help="graphs that answer; the bundle's default if not given"
            )
        for add_options in target.options:
            add_options(one)


def run(args: argparse.Namespace) -> int:
    """Write the folder; returns the exit code."""
    lines = _TARGETS[args.target].write(args)
    sys.stdout.write("".join(f"{line}\n" for line in (args.output, *lines)))
    return ExitCode.OK


def _packed(args: argparse.Namespace) -> Packed:
    from ftcore_server.packaging.target import Packed

    return Packed.load(args.bundle, args.name, args.variant)


def _installation(requirements: dict[str, str], wheels: list[Path]) -> Installation:
    """What pip installs; a warning at once where it will find none."""
    from ftcore.cli.console import console
    from ftcore_server.packaging.installing import Installation

    found = Installation.of(requirements, wheels)
    for name in found.unpublished:
        console(stderr=True).print(
            f"warning: {name} was not installed from an index, and pip may find it in none: what is written here"
            f" cannot be built then\n  help: give its wheel with --wheel (`make dist` builds that of ftcore)"
        )
    return found


def _require_one(number: int, option: str) -> None:
    if number < 1:
        raise UserError("must be at least 1", where=option)
