"""`ftcore bundle`: look at a bundle, check it, sign it, make one file of it. Needs no torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ftcore.cli.options import Subparsers, add_bundle, add_command, add_common, bundle_path
from ftcore.errors import ExitCode

_SHOWN = 120  # characters of a value


def add(subparsers: Subparsers) -> None:
    """Add the command and its own commands."""
    summary = "verify, inspect, diff, selftest, sign, pack or unpack a bundle"
    parser = subparsers.add_parser("bundle", help=summary, description=summary)
    add_common(parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    verify = add_command(
        commands, "verify", run_verify, "check every file, graph and, with --key, the signature"
    )
    add_bundle(verify)
    verify.add_argument("--key", metavar="PEM", type=Path, help="the public key of whoever signed it")
    _add_signature(verify)
    inspect = add_command(
        commands, "inspect", run_inspect, "say what a bundle is and what it was measured at"
    )
    add_bundle(inspect)
    inspect.add_argument("--json", action="store_true", help="print the manifest")
    diff = add_command(
        commands, "diff", run_diff, "say what differs between two bundles; exit code 3 if anything"
    )
    add_bundle(diff)
    diff.add_argument("other", metavar="OTHER", type=bundle_path, help="another one")
    diff.add_argument("--json", action="store_true", help="print the differences as JSON")
    selftest = add_command(commands, "selftest", run_selftest, "replay the golden examples on this machine")
    add_bundle(selftest)
    selftest.add_argument("--variant", metavar="NAME", help="this one only; every variant unless given")
    sign = add_command(commands, "sign", run_sign, "sign a bundle with a private key; needs `ftcore[sign]`")
    add_bundle(sign)
    sign.add_argument("--key", metavar="PEM", type=Path, required=True, help="a private elliptic-curve key")
    _add_signature(sign)
    pack = add_command(
        commands, "pack", run_pack, "write a bundle as one file: equal bundles give equal bytes"
    )
    add_bundle(pack)
    pack.add_argument("file", metavar="FILE", type=Path, help="the archive to write (a tar)")
    unpack = add_command(commands, "unpack", run_unpack, "make a bundle's folder of such a file, verified")
    unpack.add_argument("file", metavar="FILE", type=Path, help="what `ftcore bundle pack` wrote")
    unpack.add_argument("folder", metavar="FOLDER", type=Path, help="the folder to make")


def _add_signature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--signature",
        metavar="FILE",
        type=Path,
        help="the signature (default: BUNDLE.sig, next to the folder)",
    )


def run_verify(args: argparse.Namespace) -> int:
    """Every check that needs no answer."""
    from ftcore.cli.console import print_text
    from ftcore_runtime.bundle import read_bundle
    from ftcore_runtime.graph_check import check_graph
    from ftcore_runtime.manifest import parse_json
    from ftcore_runtime.tokenizer_check import check_tokenizer

    def needed(manifest: Any) -> list[str]:  # noqa: ANN401 (a Manifest)
        kept = (manifest.golden, *manifest.tokenizers)
        return [*kept, *(name for v in manifest.variants.values() for name in v.graphs.values())]

    bundle = read_bundle(args.bundle, needed)
    bundle.manifest.make_decoder()
    for name, data in bundle.contents.items():
        if name == bundle.manifest.golden:
            parse_json(data, name)
        elif name in bundle.manifest.tokenizers:
            check_tokenizer(data, name)
        else:
            check_graph(data, name)
    print_text(
        f"{args.bundle}: {len(bundle.manifest.files)} files are whole, and the graphs hold known operators"
    )
    if args.key:
        from ftcore_runtime.signature import PublicKey

        PublicKey(args.key).verify(bundle, args.signature)
        print_text(f"{args.bundle}: signed by the owner of {args.key}")
    return ExitCode.OK


def run_inspect(args: argparse.Namespace) -> int:
    """Print the manifest, or what people want of it."""
    from ftcore.cli.console import print_json, print_table, print_text
    from ftcore_runtime.bundle import read_bundle

    manifest = read_bundle(args.bundle).manifest
    if args.json:
        print_json(manifest.to_json())
        return ExitCode.OK
    print_text(f"{manifest.name}: task {manifest.task}, family {manifest.family}, made {manifest.created}")
    decoder = manifest.make_decoder()
    longer = "cut" if decoder.cuts else "read in windows"
    print_text(f"reads {manifest.encoder.max_length} tokens at a time; longer inputs are {longer}")
    if labels := decoder.labels:
        print_text(f"labels: {', '.join(labels)}")
    for name, value in manifest.provenance.items():
        if isinstance(value, (str, int, float)):
            print_text(f"{name}: {value}")
    rows = []
    for name, variant in manifest.variants.items():
        rows.append(
            [
                f"{name} (default)" if name == manifest.default_variant else name,
                f"{variant.bytes / 1e6:.1f}",
                _first_metric(variant.metrics.get("metrics")),
                f"{speed:.2f} ms" if isinstance(speed := variant.speed.get("p50_ms"), (int, float)) else "",
                {True: "yes", False: "no", None: "not tried"}[variant.batch_invariant],
                "not recorded" if variant.failures is None else "; ".join(variant.failures),
            ]
        )
    print_table(["variant", "MB", "test", "p50", "same in any batch", "does not meet"], rows)
    return ExitCode.OK


def run_diff(args: argparse.Namespace) -> int:
    """Print what differs."""
    from ftcore.cli.console import print_json, print_table, print_text
    from ftcore_runtime.comparison import compare_bundles

    found = compare_bundles(args.bundle, args.other)
    if args.json:
        print_json([difference._asdict() for difference in found])
    elif found:
        rows = [[difference.path, _short(difference.one), _short(difference.other)] for difference in found]
        print_table(["", str(args.bundle), str(args.other)], rows)
    else:
        print_text("the two are equal, byte for byte")
    return ExitCode.CHECK_FAILED if found else ExitCode.OK


def run_selftest(args: argparse.Namespace) -> int:
    """Answer the golden examples again."""
    from ftcore.cli.console import print_text
    from ftcore.cli.interruption import ended_by_ctrl_c
    from ftcore_runtime import Pipeline
    from ftcore_runtime.bundle import read_bundle

    names = [args.variant] if args.variant else list(read_bundle(args.bundle).manifest.variants)
    for name in names:
        with ended_by_ctrl_c():
            count = Pipeline.load(args.bundle, name).selftest()
        print_text(f"{name}: {count} golden examples are answered as they were when the bundle was written")
    return ExitCode.OK


def run_sign(args: argparse.Namespace) -> int:
    """Write the signature."""
    from ftcore.cli.console import print_text
    from ftcore_runtime.signature import sign

    print_text(f"signed: {sign(args.bundle, args.key, args.signature)}")
    return ExitCode.OK


def run_pack(args: argparse.Namespace) -> int:
    """Write the archive."""
    from ftcore.cli.console import print_text
    from ftcore_runtime.archive import pack

    print_text(f"packed: {pack(args.bundle, args.file)}")
    return ExitCode.OK


def run_unpack(args: argparse.Namespace) -> int:
    """Make the folder."""
    from ftcore.cli.console import print_text
    from ftcore_runtime.archive import unpack

    print_text(f"unpacked: {unpack(args.file, args.folder)}")
    return ExitCode.OK


def _first_metric(metrics: object) -> str:
    """The first of a variant's metrics with its value; nothing of what is no metrics."""
    if isinstance(metrics, dict):
        for name, found in metrics.items():
            if isinstance(found, dict) and isinstance(value := found.get("value"), (int, float)):
                return f"{name} {value:.4f}"
    return ""


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
