"""Who wrote a bundle: signed with a private key and verified with the public one, offline, by `model-signing`.

The signature is a file next to the bundle (a Sigstore bundle with an in-toto statement of every file's hash), since
the bundle itself holds the files of its manifest and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path, PurePosixPath
from typing import Any

from ftcore_runtime.bundle import Bundle, read_bundle
from ftcore_runtime.errors import BundleError, UserError
from ftcore_runtime.files import open_regular

_MOST_BYTES = 2**20  # of a signature: a hundred files' hashes
_MOST_KEY_BYTES = 2**16
_MAKE = "make one: openssl ecparam -name prime256v1 -genkey -noout -out KEY"


def signature_path(bundle: str | Path) -> Path:
    """Where the signature of the bundle folder `bundle` is looked for: next to it, `.sig` added to its name."""
    folder = Path(bundle).absolute()
    return folder.with_name(f"{folder.name}.sig")


def sign(bundle: str | Path, key: str | Path, signature: str | Path | None = None) -> Path:
    """Sign the bundle folder `bundle`; returns the signature's path (`signature_path` unless given).

    Args:
        key: a private key on an elliptic curve, PEM, without a password.

    Raises:
        BundleError: the bundle is damaged.
        UserError: the key cannot be used, or the signature would lie within the bundle.
    """
    from model_signing import signing

    target = Path(signature) if signature else signature_path(bundle)
    read_bundle(bundle)
    if target.resolve().is_relative_to(Path(bundle).resolve()):
        raise UserError("the signature may not lie within the bundle", where=str(target))
    _require_elliptic(key, private=True)
    signer = signing.Config().use_elliptic_key_signer(private_key=Path(key))
    try:
        signer.sign(Path(bundle), target)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(target)) from error
    except ValueError as error:  # a curve that the signature's format has no name for
        raise UserError(f"cannot sign with it: {_brief(error)}", where=str(key), hint=_MAKE) from error
    return target


class PublicKey:
    """Tells whether a bundle was signed by the owner of a key, which is read once.

    Args:
        path: PEM, of a key on an elliptic curve.

    Raises:
        UserError: the key cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        from model_signing import verifying

        self._verifier = verifying.Config()
        _require_elliptic(path, private=False)
        try:
            self._verifier.use_elliptic_key_verifier(public_key=Path(path))
        except (OSError, ValueError) as error:
            raise UserError(f"cannot verify with it: {_brief(error)}", where=str(path)) from error

    def verify(self, bundle: Bundle, signature: str | Path | None = None) -> None:
        """Check that every file is what was signed: the very bytes that `read_bundle` read, none are read again.

        Args:
            signature: `signature_path` unless given.

        Raises:
            BundleError: there is no such signature, or the bundle is not what was signed.
        """
        source = Path(signature) if signature else signature_path(bundle.folder)
        if not source.is_file():
            raise BundleError(
                "there is no signature", where=str(source), hint="sign it with `ftcore bundle sign`"
            )
        if (size := source.stat().st_size) > _MOST_BYTES:
            raise BundleError(f"has {size} bytes; at most {_MOST_BYTES} are read", where=str(source))
        try:
            verifier = copy(self._verifier)  # so that several threads may verify at a time
            verifier.set_hashing_config(_read_already(bundle.digests)).verify(bundle.folder, source)
        # Anybody may have written the signature, and its reader has no narrower base.
        except Exception as error:
            where = str(bundle.folder)
            raise BundleError(f"its signature does not hold: {_brief(error)}", where=where) from error


def _require_elliptic(path: str | Path, *, private: bool) -> None:
    """Check that a file holds such a key.

    Raises:
        UserError: it cannot be read, or holds no key, the other half of one, or one of another kind.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    kind, half = ("private", "PRIVATE") if private else ("public", "PUBLIC")
    hint = _MAKE if private else "give the public half: openssl ec -in KEY -pubout -out PUBLIC_KEY"
    try:
        with open_regular(path) as file:
            data = file.read(_MOST_KEY_BYTES)
        key: object = (
            serialization.load_pem_private_key(data, password=None)
            if private
            else serialization.load_pem_public_key(data)
        )
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except TypeError:
        raise UserError("needs a password, for which there is no place", where=str(path), hint=hint) from None
    except (ValueError, UnsupportedAlgorithm):
        what = f"is no {kind} key in PEM (`-----BEGIN {half} KEY-----`, or `EC {half} KEY`)"
        raise UserError(what, where=str(path), hint=hint) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        raise UserError(f"is no {kind} key on an elliptic curve", where=str(path), hint=hint)


def _read_already(digests: Mapping[str, str]) -> Any:  # noqa: ANN401 (model_signing has no types)
    """A configuration of model_signing's hashing that reads no file, since the digests are known."""
    from model_signing import hashing, manifest

    digest = manifest.hashing.Digest
    items = [
        manifest.FileManifestItem(path=PurePosixPath(name), digest=digest("sha256", bytes.fromhex(value)))
        for name, value in digests.items()
    ]
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    found = manifest.Manifest("bundle", items, manifest.SerializationType.from_args(how))

    class Known(hashing.Config):  # type: ignore[misc]  # a base without types
        def hash(self, model_path: object, *, files_to_hash: object = None) -> Any:  # noqa: ANN401 (as above)
            return found

    return Known()


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
