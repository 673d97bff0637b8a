"""Several models and versions; reload, roll-back and canaries without a request that fails."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from serving import serving

from ftcore_export.bundle_writer import BundleSource, write_bundle
from ftcore_runtime.errors import UserError
from ftcore_server.deployment import Deployment, Source, from_arguments, from_file


@pytest.fixture(scope="module")
def second_bundle(bundle_arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, of another making: another fingerprint."""
    changed = {**bundle_arguments, "provenance": {**bundle_arguments["provenance"], "seed": 1}}
    return write_bundle(tmp_path_factory.mktemp("second") / "tiny", BundleSource(**changed))


def versions(server: Any, count: int, **named: Any) -> list[str]:
    return [server.ask("good", **named).json()["version"] for _ in range(count)]


def test_versions_and_canaries(tiny_bundle: Path, second_bundle: Path) -> None:
    bundles = [f"tiny@1={tiny_bundle}", f"tiny@2={second_bundle}", f"other={tiny_bundle}"]
    with serving(*bundles) as server:
        assert set(versions(server, 4)) == {"2"}, "the last one answers"
        assert set(versions(server, 4, headers={"x-model-version": "1"})) == {"1"}
        assert server.ask("good", headers={"x-model-version": "3"}).status_code == 404
        assert server.ask("good", model="other").status_code == 200
        assert len(server.client.get("/v1/models").json()["models"]) == 2
        server.deployment = from_arguments(bundles, ["tiny@1=0.5"])
        server.reload()
        assert set(versions(server, 40)) == {"1", "2"}
        server.deployment = from_arguments(bundles, ["tiny@1=1"])
        server.reload()
        assert set(versions(server, 4)) == {"1"}
        assert set(versions(server, 2, headers={"x-model-version": "2"})) == {"2"}


def test_reload_and_roll_back_under_load_drop_nothing(
    tiny_bundle: Path, second_bundle: Path, tmp_path: Path
) -> None:
    link = tmp_path / "current"
    link.symlink_to(tiny_bundle)
    statuses: list[int] = []
    ends = threading.Event()

    with serving(link) as server:

        def load() -> None:
            while not ends.is_set():
                statuses.append(server.ask("good food").status_code)

        clients = [threading.Thread(target=load) for _ in range(3)]
        for client in clients:
            client.start()
        seen = []
        for target in (second_bundle, tiny_bundle):
            link.unlink()
            link.symlink_to(target)
            server.reload()
            seen.append(server.ask("good").json()["version"])
        ends.set()
        for client in clients:
            client.join()
        assert server.metric("ftcore_reloads_total", result="done") == 2
        assert len(server.client.get("/v1/models/tiny").json()["versions"]) == 1
        shown = server.client.get("/metrics").text
    assert seen[0] != seen[1]
    assert set(statuses) == {200}
    assert seen[0] not in shown, "the series of a version that is gone are gone"


def test_a_bundle_that_fails_its_self_test_changes_nothing(
    tiny_bundle: Path, second_bundle: Path, tmp_path: Path
) -> None:
    from hashlib import sha256

    spoiled = shutil.copytree(second_bundle, tmp_path / "spoiled")
    golden = json.loads((spoiled / "golden.json").read_text())
    for answers in golden["answers"].values():
        answers[0]["label"] = "neutral" if answers[0]["label"] != "neutral" else "positive"
        answers[0]["scores"] = {"negative": 0.0, "neutral": 0.0, "positive": 0.0, answers[0]["label"]: 1.0}
        answers[0]["score"] = 1.0
    data = json.dumps(golden).encode()
    (spoiled / "golden.json").write_bytes(data)
    manifest = json.loads((spoiled / "bundle.json").read_text())
    manifest["files"]["golden.json"] = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
    (spoiled / "bundle.json").write_text(json.dumps(manifest))
    with serving(tiny_bundle) as server:
        before = server.client.get("/v1/models").json()
        for bad in (spoiled, tmp_path / "none"):
            server.deployment = Deployment([Source(bad)])
            server.reload()
            assert server.client.get("/v1/models").json() == before
        assert server.metric("ftcore_reloads_total", result="failed") == 2
        assert server.ask("good").status_code == 200


def test_not_ready_before_the_first_deployment(tiny_bundle: Path) -> None:
    with serving(tiny_bundle) as server:
        registry = server.server.service.registry
        assert server.client.get("/readyz").status_code == 200
        registry.ready = False
        assert server.client.get("/readyz").status_code == 503
        assert server.client.get("/v2/health/ready").status_code == 503
        assert server.ask("good").status_code == 503
        assert server.client.get("/healthz").status_code == 200


def test_the_fingerprint_is_of_the_manifest(tiny_bundle: Path, second_bundle: Path) -> None:
    from ftcore_runtime import Pipeline

    first, again, other = (
        Pipeline.load(path).manifest.fingerprint for path in (tiny_bundle, tiny_bundle, second_bundle)
    )
    assert first == again != other


def test_a_file_says_what_is_served(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(
        json.dumps(
            {
                "models": {
                    "a": {
                        "versions": {"1": "one", "2": "/two"},
                        "default": "1",
                        "canary": {"version": "2", "share": 0.1},
                    }
                }
            }
        )
    )
    found = from_file(file)
    assert found.sources == [Source(tmp_path / "one", "a", "1"), Source(Path("/two"), "a", "2")]
    assert (found.defaults, found.canaries) == ({"a": "1"}, {"a": ("2", 0.1)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not valid JSON"),
        ("{}", "the key 'models' is missing"),
        ('{"models": {}}', "names none"),
        ('{"models": {"a b": {}}}', "is no name"),
        ('{"models": {"a": {"versions": {}}}}', "names none"),
        ('{"models": {"a": {"versions": {"1": 2}}}}', "expected a folder"),
        ('{"models": {"a": {"versions": {"1": "x"}, "more": 1}}}', "unknown key"),
        (
            '{"models": {"a": {"versions": {"1": "x"}, "canary": {"version": "1", "share": 2}}}}',
            "must be from 0 to 1",
        ),
        ("[]", "expected an object"),
    ],
)
def test_a_file_that_says_something_else(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        from_file(file)
    assert says in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        from_file(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("bundles", "canaries", "says"),
    [
        (["a b=x"], [], "is no name"),
        (["=x"], [], "is no name"),
        (["a@=x"], [], "is no name"),
        (["x"], ["a=0.5x"], "is not NAME@VERSION=SHARE"),
        (["x"], ["a@1=2"], "is not NAME@VERSION=SHARE"),
    ],
)
def test_arguments_that_say_nothing(bundles: list[str], canaries: list[str], says: str) -> None:
    with pytest.raises(UserError) as caught:
        from_arguments(bundles, canaries)
    assert says in str(caught.value)


def test_a_request_holds_its_version_from_the_start(tiny_bundle: Path, second_bundle: Path) -> None:
    """Its body is still under way while the version is exchanged: the version answers it all the same."""
    with serving(f"tiny@1={tiny_bundle}") as server:

        def body() -> Any:
            yield b'{"inputs": '
            server.deployment = from_arguments([f"tiny@2={second_bundle}"])
            server.reload()
            yield b'["good food"]}'

        late = server.client.post(
            "/v1/models/tiny:predict", content=body(), headers={"content-type": "application/json"}
        )
        assert (late.status_code, late.json()["version"]) == (200, "1")
        assert versions(server, 1) == ["2"]
