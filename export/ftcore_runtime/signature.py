"""Who wrote a bundle: signed with a private key and verified with the public one, offline, by `model-signing`.

The signature is a file beside the bundle (a Sigstore bundle with an in-toto statement of every file's hash), since
the bundle itself holds the files of its manifest and no others.
"""

from __future__ import annotations

from pathlib import Path

from ftcore_runtime.bundle import read_bundle
from ftcore_runtime.errors import BundleError, UserError


def signature_path(bundle: str | Path) -> Path:
    """Where the signature of the bundle folder `bundle` is looked for: beside it, `.sig` added to its name."""
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
    try:
        signing.Config().use_elliptic_key_signer(private_key=Path(key)).sign(Path(bundle), target)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"cannot sign with it: {_brief(error)}", where=str(key)) from error
    return target


def verify_signature(bundle: str | Path, public_key: str | Path, signature: str | Path | None = None) -> None:
    """Check that every file of `bundle` is what the owner of `public_key` signed.

    Args:
        public_key: PEM.

    Raises:
        BundleError: there is no such signature, or the bundle is not what was signed.
        UserError: the key cannot be used.
    """
    from model_signing import verifying

    source = Path(signature) if signature else signature_path(bundle)
    if not source.is_file():
        raise BundleError(
            "there is no signature", where=str(source), hint="sign it with `ftcore bundle sign`"
        )
    try:
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=Path(public_key))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"is no public key: {_brief(error)}", where=str(public_key)) from error
    try:
        verifier.verify(Path(bundle), source)
    # Anybody may have written the signature, and its reader has no narrower base.
    except Exception as error:
        raise BundleError(f"its signature does not hold: {_brief(error)}", where=str(bundle)) from error


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
