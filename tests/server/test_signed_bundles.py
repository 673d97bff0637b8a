"""`ftcore serve --key`: only what the owner of a key has signed is served, at the start and after a reload."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import as_before, process, serving

from ftcore.cli import main
from ftcore_runtime.bundle import read_bundle
from ftcore_runtime.errors import BundleError, UserError
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.signature import PublicKey, sign, signature_path
from ftcore_server.deployment import from_arguments

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
pytest.importorskip("model_signing")

Keys = tuple[Path, Path, Path]


@pytest.fixture
def signed(copy_bundle: Callable[[], Path], keys: Keys) -> Path:
    folder = copy_bundle()
    sign(folder, keys[0])
    return folder


def changed(folder: Path, target: Path) -> Path:
    """A copy, whole by its manifest, that is not what was signed; with the signature of the original."""
    shutil.copytree(folder, target)
    manifest = json.loads((target / "bundle.json").read_text())
    manifest["provenance"]["seed"] = 7
    (target / "bundle.json").write_text(json.dumps(manifest))
    shutil.copy(signature_path(folder), signature_path(target))
    return target


def test_what_is_checked_is_what_is_loaded(signed: Path, keys: Keys, tmp_path: Path) -> None:
    key = PublicKey(keys[1])
    assert Pipeline.load(signed, signed_by=key).predict(["good"])
    bundle = read_bundle(signed)
    (signed / "bundle.json").unlink()
    key.verify(bundle)  # what was read is verified, not what lies there now
    shutil.rmtree(signed)


def test_a_folder_exchanged_after_reading_helps_nobody(signed: Path, keys: Keys, tmp_path: Path) -> None:
    other = changed(signed, tmp_path / "other")
    bundle = read_bundle(other)
    shutil.rmtree(other)
    shutil.copytree(signed, other)
    with pytest.raises(BundleError, match="its signature does not hold: Signature mismatch"):
        PublicKey(keys[1]).verify(bundle)


def test_every_file_must_be_signed(signed: Path, keys: Keys) -> None:
    from model_signing import hashing, signing

    ignoring = hashing.Config().set_ignored_paths(paths=["README.md"])
    signature = signature_path(signed)
    signature.unlink()
    signing.Config().use_elliptic_key_signer(private_key=keys[0]).set_hashing_config(ignoring).sign(
        signed, signature
    )
    with pytest.raises(BundleError, match="its signature does not hold"):
        Pipeline.load(signed, signed_by=PublicKey(keys[1]))


def test_a_reload_needs_signatures_too(signed: Path, keys: Keys, tmp_path: Path) -> None:
    other = changed(signed, tmp_path / "other")
    with serving(f"tiny@1={signed}", signed_by=PublicKey(keys[1])) as server:
        server.deployment = from_arguments([f"tiny@2={other}"])
        server.reload()
        assert server.metric("ftcore_reloads_total", result="failed") == 1
        assert server.ask("good").json()["version"] == "1"
        sign(other, keys[0])
        server.reload()
        assert server.ask("good").json()["version"] == "2"
        signature_path(other).unlink()  # even of what is served already
        server.reload()
        assert server.metric("ftcore_reloads_total", result="failed") == 2
        assert server.ask("good").json()["version"] == "2"


def test_the_command(signed: Path, keys: Keys, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with process(signed, "--key", keys[1]):
        pass
    other = changed(signed, tmp_path / "other")
    for bundle, key, says in (
        (signed, keys[2], "its signature does not hold"),
        (other, keys[1], "its signature does not hold"),
        (shutil.copytree(signed, tmp_path / "bare"), keys[1], "there is no signature"),
        (signed, signed / "README.md", "is no public key"),
        (signed, tmp_path / "none", "cannot be read: No such file or directory"),
    ):
        with as_before():
            assert main(["serve", str(bundle), "--port", "0", "--key", str(key)]) == 2
        assert says in capfd.readouterr().err


def test_a_key_is_read_once(keys: Keys, signed: Path, tmp_path: Path) -> None:
    shutil.copy(keys[1], tmp_path / "key")
    key = PublicKey(tmp_path / "key")
    shutil.copy(keys[2], tmp_path / "key")
    key.verify(read_bundle(signed))
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        PublicKey(tmp_path)


def keys_of_other_kinds(folder: Path) -> None:
    """Files of keys that nothing is signed with here, private ones and public ones."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    made = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "curve": ec.generate_private_key(ec.SECP256R1()),
    }
    for name, key in made.items():
        (folder / name).write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)
    locked = serialization.BestAvailableEncryption(b"secret")
    (folder / "locked").write_bytes(made["curve"].private_bytes(pem, form, locked))
    (folder / "empty").touch()


SIGN = {
    "rsa": "is no private key on an elliptic curve",
    "ed25519": "is no private key on an elliptic curve",
    "curve.pub": "is no private key in PEM",
    "locked": "needs a password, for which there is no place",
    "empty": "is no private key in PEM",
    "none": "cannot be read: No such file or directory",
    "/dev/zero": "cannot be read: ",
}
VERIFY = {
    "rsa.pub": "is no public key on an elliptic curve",
    "ed25519.pub": "is no public key on an elliptic curve",
    "curve": "is no public key in PEM",
    "empty": "is no public key in PEM",
    "/dev/zero": "cannot be read: ",
}


def test_keys_of_other_kinds_are_errors(
    signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    keys_of_other_kinds(tmp_path)
    before = signature_path(signed).read_bytes()
    for command, cases in (("sign", SIGN), ("verify", VERIFY)):
        for name, said in cases.items():
            assert main(["bundle", command, str(signed), "--key", name]) == 2, name
            assert f"error: {name}: {said}" in capsys.readouterr().err
    assert signature_path(signed).read_bytes() == before
    assert main(["bundle", "sign", str(signed), "--key", "curve", "--signature", "no/such.sig"]) == 2
    assert "error: no/such.sig: cannot be written: No such file or directory" in capsys.readouterr().err
