"""Decoders of other distributions: found by entry point, named by bundles, loaded only where that is allowed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from bundles import DECODER

from ftcore_runtime import Pipeline
from ftcore_runtime.decoders import Provider, make_decoder, provider_of, registry
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.installed import installed

GOOD = """\
from ftcore_runtime.api import make_decoder
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder

class Shouting(SequenceClassificationDecoder):
    pass
"""
CONFIG = {**DECODER, "name": "shouting"}


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder on sys.path, for distributions to be faked in; the working directory is empty."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def install(site: Path, distribution: str, entry: str, version: str = "1.2", **modules: str) -> None:
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[ftcore.decoders]\n{entry}\n")
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text)


def failure(config: dict[str, Any], provider: Provider | None = None) -> str:
    with pytest.raises(BundleError) as caught:
        make_decoder(config, "bundle.json: decoder", provider)
    return str(caught.value)


def test_an_installed_decoder_is_found_by_name(site: Path) -> None:
    install(site, "acme-shouting", "shouting = acme_shouting_found:Shouting", acme_shouting_found=GOOD)
    decoder = make_decoder(CONFIG)
    assert (type(decoder).__name__, decoder.labels) == ("Shouting", ("negative", "neutral", "positive"))
    assert provider_of("shouting") == Provider("acme-shouting", "1.2")
    assert provider_of("sequence_classification").distribution == "ftcore"


def test_a_runtime_without_it_says_what_to_install(tiny_bundle: Path, tmp_path: Path, site: Path) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "copy")
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["decoder"].update(name="shouting", distribution="acme-shouting", version="1.2")
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as caught:
        Pipeline.load(folder)
    assert str(caught.value) == (
        "bundle.json: decoder: its decoder 'shouting' comes with the distribution 'acme-shouting', which is not"
        " installed\n  help: if you trust it: pip install 'acme-shouting==1.2'"
    )
    install(site, "acme-shouting", "shouting = acme_shouting_later:Shouting", acme_shouting_later=GOOD)
    assert Pipeline.load(folder).selftest() == 4


def test_a_shipped_name_is_answered_by_ftcore_alone(site: Path, tiny_bundle: Path) -> None:
    install(site, "evil", "sequence_classification = evil:Evil", evil="raise SystemExit('loaded')")
    assert type(Pipeline.load(tiny_bundle).decoder) is SequenceClassificationDecoder
    message = failure(DECODER)  # where a bundle is about to be written, two of one name are an error
    assert "evil 1.2" in message
    assert "all provide the decoder 'sequence_classification'" in message


def test_the_allowlist_of_plugins_holds_for_decoders(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "acme-shouting", "shouting = acme_shouting_barred:Shouting", acme_shouting_barred=GOOD)
    (tmp_path / "pyproject.toml").write_text('[tool.ftcore]\nplugins = ["sentiment"]\n')
    message = failure(CONFIG)
    assert (
        "the decoder 'shouting' of acme-shouting 1.2 may not be loaded: it is not in the allowlist" in message
    )
    assert type(make_decoder(DECODER)) is SequenceClassificationDecoder, "ftcore's own always may"
    for allowed in ("shouting", "Acme_Shouting"):
        monkeypatch.setenv("FTCORE_PLUGINS", allowed)
        assert type(make_decoder(CONFIG)).__name__ == "Shouting"


@pytest.mark.parametrize(
    ("entry", "text", "says"),
    [
        ("shouting = acme_raises:X", "raise RuntimeError('boom')", "cannot be loaded: RuntimeError: boom"),
        ("shouting = acme_no_class:X", "", "cannot be loaded: AttributeError"),
        ("shouting = acme_other:X", "X = dict", "is no Decoder: acme_other:X"),
        ("shouting = acme_gone.below:X", "", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_broken_decoder_is_an_error_that_names_its_distribution(
    site: Path, entry: str, text: str, says: str
) -> None:
    install(site, "acme-shouting", entry, **{entry.split()[2].partition(":")[0].partition(".")[0]: text})
    message = failure(CONFIG, Provider("acme-shouting", "1.2"))
    assert "acme-shouting 1.2" in message
    assert says in message


def test_settings_of_another_version_say_which_wrote_them(site: Path) -> None:
    install(site, "acme-shouting", "shouting = acme_shouting_old:Shouting", acme_shouting_old=GOOD)
    message = failure({**CONFIG, "volume": 11}, Provider("acme-shouting", "2.0"))
    assert "unknown key: 'volume'" in message
    assert "written with acme-shouting==2.0; installed is 1.2" in message


def test_a_decoder_that_a_newer_ftcore_brings(site: Path) -> None:
    message = failure({"name": "telepathy"}, Provider("ftcore", "9.0"))
    assert "the decoder 'telepathy' is unknown" in message
    assert (
        "intent_classification, sequence_classification, span_extraction, text_generation, token_classification"
        in message
    )
    assert "the bundle may need a newer ftcore" in message


def test_the_table_of_own_decoders_is_that_of_the_entry_points() -> None:
    entries = {entry.name: entry.value for entry in installed(registry.GROUP) if entry.shipped}
    assert entries == registry._OWN
