"""The connection to a store that speaks S3, as the environment describes it, and its errors in plain words.

No message has a credential: neither the values of the environment nor what a store says of them is shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ftcore_runtime.errors import DataError

#: Seconds to connect, seconds without a byte, and tries of each request: a dead store is an error after 20 seconds.
_CONNECT, _SILENT, _ATTEMPTS = 3.0, 5.0, 3
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ID, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_CERTIFICATES = "AWS_CA_BUNDLE"
_AMAZON = "s3.amazonaws.com"
_PORTS = {"http": 80, "https": 443}  # of a proxy that names none
_AWS = re.compile(r"AWS Error (\w+)(?: \(HTTP status (\d+)\))?")
_CURL = re.compile(r"curlCode: \d+, ([^;]+)")
_MISSING = ("NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "404")
_REFUSED = re.compile(r"ACCESS|SIGNATURE|TOKEN|CREDENTIALS|NOT_AUTHORIZED|40[13]")
_MOVED = re.compile(r"HTTP status 30[17]|PERMANENT_?REDIRECT|AUTHORIZATION_?HEADER_?MALFORMED", re.IGNORECASE)
_SHOWN = 200  # characters of what a store says


def connect() -> Any:  # noqa: ANN401 (pyarrow has no types)
    """The file system of pyarrow for the store that the environment names.

    Raises:
        DataError: pyarrow is built without S3, or a variable of the environment is wrong.
    """
    return _connected(*sorted(_settings().items()))


@lru_cache(maxsize=1)
def _connected(*settings: tuple[str, str]) -> Any:  # noqa: ANN401 (pyarrow has no types)
    try:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem
    except ModuleNotFoundError:
        raise
    except ImportError:
        what = "the pyarrow that is installed here is built without S3"
        raise DataError(what, hint="install its wheel (pip install pyarrow), or read local files") from None
    patience = {"connect_timeout": _CONNECT, "request_timeout": _SILENT}
    tries = AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
    try:
        return S3FileSystem(**dict(settings), **patience, retry_strategy=tries, allow_delayed_open=True)
    except TypeError:  # an older pyarrow
        if "tls_ca_file_path" in dict(settings):
            what = "the pyarrow that is installed here reads no certificates of one's own"
            raise DataError(what, where=_CERTIFICATES, hint="pip install 'pyarrow>=21'") from None
        # It has no way to put what is small in one request.
        return S3FileSystem(**dict(settings), **patience, retry_strategy=tries)
    except ValueError:
        if "proxy_options" not in dict(settings):
            raise
        raise _no_proxy(dict(settings).get("scheme", "https")) from None


def _settings() -> dict[str, str]:
    """Options of pyarrow's file system; what is not among them AWS's library finds for itself (profiles, roles)."""
    found: dict[str, str] = {}
    if given := _first(_ENDPOINTS):
        found["scheme"], found["endpoint_override"] = _endpoint(*given)
        found["region"] = "us-east-1"  # which other stores than Amazon's mostly do not look at
    if proxy := _proxy():
        found["proxy_options"] = proxy
    if certificates := os.environ.get(_CERTIFICATES):
        if not Path(certificates).is_file():
            hint = "give the file with the certificates (PEM) of who has signed the store's"
            raise DataError("there is no such file", where=_CERTIFICATES, hint=hint)
        found["tls_ca_file_path"] = certificates
    if given := _first(_REGIONS):
        found["region"] = given[1]
    key, secret, token = (os.environ.get(name) for name in (_ID, _SECRET, _TOKEN))
    if bool(key) != bool(secret):
        there, missing = (_ID, _SECRET) if key else (_SECRET, _ID)
        raise DataError(f"is not set, and {there} is", where=missing, hint="set both, or none of them")
    if key and secret:
        found |= {"access_key": key, "secret_key": secret} | ({"session_token": token} if token else {})
    return found


def _first(names: tuple[str, ...]) -> tuple[str, str] | None:
    """The first of some variables that is set, and its value."""
    return next(((name, value) for name in names if (value := os.environ.get(name))), None)


def _endpoint(variable: str, url: str) -> tuple[str, str]:
    """Scheme, and host with port."""
    try:
        split = urlsplit(url)
        extra = split.path.strip("/") or split.query or split.fragment or "@" in split.netloc
        good = split.scheme in ("http", "https") and split.hostname and not extra and split.port != 0
    except ValueError:  # no port
        good = False
    if not good:
        what = "is no address of a store: https://HOST or http://HOST:PORT, without user, password and path"
        raise DataError(
            what, where=variable, hint="credentials go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return split.scheme, split.netloc


def _proxy() -> str | None:
    """The address of the proxy that the environment names for the store, by the rules of curl and of Python.

    Raises:
        DataError: see `_no_proxy`.
    """
    from urllib.request import getproxies, proxy_bypass

    given = _first(_ENDPOINTS)
    scheme, host = _endpoint(*given) if given else ("https", _AMAZON)
    if not (proxy := getproxies().get(scheme)) or proxy_bypass(host):
        return None
    try:
        split = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = split.port or _PORTS[split.scheme]
    except (ValueError, KeyError):  # no port; nothing that speaks HTTP
        raise _no_proxy(scheme) from None
    if not split.hostname:
        raise _no_proxy(scheme)
    return f"{split.scheme}://{split.netloc}" + (f":{port}" if split.port is None else "")


def _no_proxy(scheme: str) -> DataError:
    """What is wrong with the variable of the environment, without its value, which may hold a password."""
    return DataError(
        "is no address of a proxy: http://HOST:PORT",
        where=f"{scheme.upper()}_PROXY",
        hint="or NO_PROXY=HOST for a store that is reached without one",
    )


@contextmanager
def explained(name: str, store: Any) -> Iterator[Any]:  # noqa: ANN401 (pyarrow has no types)
    """The store; its errors become one that says what is wrong with the object or folder `name`.

    Raises:
        DataError: see above.
    """
    try:
        yield store
    except (OSError, ValueError) as error:
        raise _explanation(str(error), name, store) from None


def _explanation(text: str, name: str, store: Any) -> DataError:  # noqa: ANN401 (pyarrow has no types)
    said = _AWS.search(text)
    kind = f"{said[1]} {said[2] or ''}" if said else ""
    if found := _CURL.search(text):
        hint = "start again when it answers; AWS_ENDPOINT_URL is the address of a store other than Amazon's"
        if "SSL" in found[1]:
            hint = (
                f"{_CERTIFICATES} is a file with the certificates to trust, where nobody public has signed it"
            )
        return DataError(f"no whole answer from {_shown()}: {found[1]}", where=name, hint=hint)
    if (not said and "does not exist" in text) or any(one in kind for one in _MISSING):
        return missing(name, store, "there is no such object")
    if _MOVED.search(text):
        return DataError(
            "the bucket is in another region", where=name, hint="set AWS_REGION to that of the bucket"
        )
    if _REFUSED.search(kind):
        hint = f"{_ID} and {_SECRET}, or the profile in AWS_PROFILE, must be of somebody who has access"
        return DataError(f"{_shown()} refuses access", where=name, hint=hint)
    for secret in filter(None, map(os.environ.get, (_ID, _SECRET, _TOKEN))):
        text = text.replace(secret, "***")
    return DataError(f"{_shown()} has an error: {text.partition(chr(10))[0][:_SHOWN]}", where=name)


def missing(name: str, store: Any, what: str) -> DataError:  # noqa: ANN401 (pyarrow has no types)
    """The error of an address that has nothing: `what`, or that its bucket is not there."""
    from pyarrow.fs import FileType

    bucket = name.partition("://")[2].partition("/")[0]
    with explained(f"s3://{bucket}", store):
        there = store.get_file_info(bucket).type != FileType.NotFound
    return DataError(what if there else f"there is no bucket {bucket!r}", where=name)


def _shown() -> str:
    """The store in messages, and the proxy on the way to it."""
    given, proxy = _first(_ENDPOINTS), _proxy()
    store = "Amazon S3" if given is None else f"the store at {given[1]}"
    return f"{store}, by the proxy at {urlsplit(proxy).hostname}" if proxy else store
