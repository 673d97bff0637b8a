"""Objects of a store: what an address may be, what is read of one version alone, and what is written whole."""

from __future__ import annotations

import datetime
import io
import ipaddress
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_store import KEY, Store

from ftcore_runtime.errors import DataError
from ftcore_runtime.object_store import ObjectFolder, find_objects, path_of
from ftcore_runtime.tables import read_table

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

ADDRESS = "s3://data/rows.parquet"


def table(rows: int = 50, group: int = 10) -> bytes:
    made = io.BytesIO()
    parquet.write_table(
        pyarrow.table({"text": [f"text {row}" for row in range(rows)]}), made, row_group_size=group
    )
    return made.getvalue()


def texts(address: str) -> list[tuple[str, object]]:
    found = find_objects(address, "--input")
    return [(row.location, row.values) for one in found for row in read_table(one, one.name, "parquet")]


def error(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    said = str(caught.value)
    assert "loopback-secret" not in said
    assert KEY not in said
    return said


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("s3://me:secret@data/rows.parquet", "--input: an address has no user, no password and no query"),
        ("s3://data/rows.parquet?X-Amz-Signature=secret", "has no user, no password and no query"),
        ("s3:///rows.parquet", "is no address: s3://bucket/key.parquet, or s3://bucket/folder/"),
        ("s3://data/a//b.parquet", "is no address"),
        ("s3://data/../b.parquet", "is no address"),
    ],
)
def test_what_is_no_address_is_refused_without_showing_a_password(address: str, what: str) -> None:
    said = error(lambda: path_of(address, "--input"))
    assert what in said
    assert "secret" not in said


def test_rows_of_an_object_and_of_a_folder_in_the_order_of_names(store: Store) -> None:
    store.objects = {
        "data/some rows/b.parquet": table(2),
        "data/some rows/a ü+&.parquet": table(3),
        "data/some rows/notes.txt": b"no rows",
        "data/some rows/deeper/c.parquet": table(9),
        "data/rows.parquet": table(),
    }
    assert texts(ADDRESS)[49] == (f"{ADDRESS}:50", {"text": "text 49"})
    assert [location for location, _ in texts("s3://data/some rows/")] == [
        *(f"s3://data/some rows/a ü+&.parquet:{row}" for row in (1, 2, 3)),
        *(f"s3://data/some rows/b.parquet:{row}" for row in (1, 2)),
    ]


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("s3://data/lost.parquet", "s3://data/lost.parquet: there is no such object"),
        ("s3://nowhere/rows.parquet", "s3://nowhere/rows.parquet: there is no bucket 'nowhere'"),
        ("s3://nowhere/rows/", "s3://nowhere/rows/: there is no bucket 'nowhere'"),
        ("s3://data/empty/", "s3://data/empty/: there is no .parquet object in this folder"),
        ("s3://data/rows.csv", "save it as Parquet (other formats are read from local files)"),
        ("s3://data/rows", "a folder of .parquet objects ends in /"),
        ("s3://data/text.parquet", "s3://data/text.parquet: not a readable Parquet file"),
        ("s3://data/short.parquet", "s3://data/short.parquet: not a readable Parquet file"),
    ],
)
def test_what_cannot_be_read_is_named(store: Store, address: str, what: str) -> None:
    store.objects = {
        "data/text.parquet": b"text\n" * 9,
        "data/short.parquet": table()[:-20],
        "data/rows.csv": b"text\n",
    }
    assert what in error(lambda: texts(address))


def test_a_store_that_refuses_fails_or_moves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftcore_runtime.store_connection._ATTEMPTS", 2)
    store.objects = {"data/rows.parquet": table()}
    for fault, what in (
        (403, "refuses access\n  help: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (301, "is in another region\n  help: set AWS_REGION"),
        (503, "has an error: "),
        ("cut", "no whole answer from the store at http://127.0.0.1:"),
    ):
        store.fault = lambda method, path, fault=fault: fault
        assert f"{ADDRESS}: " in (said := error(lambda: texts(ADDRESS)))
        assert what in said
    once = iter([503])
    store.fault = lambda method, path: next(once, None)
    assert len(texts(ADDRESS)) == 50, "it tries again"
    for address in (ADDRESS, "s3://data/"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        assert "refuses access" in error(lambda address=address: texts(address))


def test_a_store_that_does_not_answer_is_an_error_in_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftcore_runtime.store_connection._SILENT", 0.3)
    monkeypatch.setattr("ftcore_runtime.store_connection._ATTEMPTS", 2)
    monkeypatch.setenv("AWS_REGION", "eu-north-1")  # no connection of another test
    store.fault = lambda method, path: "silent"
    begun = time.monotonic()
    assert "Timeout was reached" in error(lambda: texts(ADDRESS))
    assert time.monotonic() - begun < 5
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said = error(lambda: texts(ADDRESS))
    assert "no whole answer from the store at http://127.0.0.1:9: Could" in said


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        (
            "AWS_ENDPOINT_URL",
            "http://me:loopback-secret@127.0.0.1",
            "AWS_ENDPOINT_URL: is no address of a store",
        ),
        ("AWS_ENDPOINT_URL_S3", "ftp://127.0.0.1", "AWS_ENDPOINT_URL_S3: is no address of a store"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1/store", "is no address of a store"),
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY: is not set, and AWS_ACCESS_KEY_ID is"),
        ("AWS_CA_BUNDLE", "lost.pem", "AWS_CA_BUNDLE: there is no such file"),
        ("HTTP_PROXY", "socks5://127.0.0.1:9", "HTTP_PROXY: is no address of a proxy"),
        ("http_proxy", "me:loopback-secret", "HTTP_PROXY: is no address of a proxy"),
        ("http_proxy", "http://", "HTTP_PROXY: is no address of a proxy"),
        ("http_proxy", "http://me:loopback-secret@a b:80", "HTTP_PROXY: is no address of a proxy"),
        ("http_proxy", "http://me:loopback/secret@b:80", "HTTP_PROXY: is no address of a proxy"),
    ],
)
def test_a_variable_that_is_wrong_is_named(
    store: Store, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, what: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert what in error(lambda: texts(ADDRESS))


def test_a_proxy_is_asked_for_the_stores_that_are_not_left_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.objects = {"data/rows.parquet": table(2)}
    there = store.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.invalid:9000")
    monkeypatch.setenv("HTTP_PROXY", f"http://me:loopback-secret@{there}")
    assert len(texts(ADDRESS)) == 2
    monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:9")  # nobody is there
    said = error(lambda: texts(ADDRESS))
    assert "no whole answer from the store at http://store.invalid:9000, by the proxy at 127.0.0.1" in said
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{there}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert len(texts(ADDRESS)) == 2


def test_a_store_is_trusted_by_certificates_of_ones_own(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    store.objects = {"data/rows.parquet": table(2)}
    certificate, key = self_signed("127.0.0.1", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    store.socket = context.wrap_socket(store.socket, server_side=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{store.server_address[1]}")
    said = error(lambda: texts(ADDRESS))
    assert "no whole answer from the store at https://127.0.0.1" in said
    assert "help: AWS_CA_BUNDLE is a file with the certificates to trust" in said
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    assert len(texts(ADDRESS)) == 2


def self_signed(address: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for an IP address that its own key has signed, and the key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


def test_a_pyarrow_without_s3_says_what_to_install(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.fs

    monkeypatch.setenv("AWS_REGION", "eu-north-2")
    monkeypatch.delattr(pyarrow.fs, "S3FileSystem")
    said = error(lambda: texts(ADDRESS))
    assert "is built without S3\n  help: install its wheel (pip install pyarrow)" in said
    assert "pyarrow" in sys.modules


@pytest.mark.parametrize("at", range(1, 9))
def test_no_row_is_of_two_versions(store: Store, at: int) -> None:
    """However late the object changes: to one of the same size, and of the same time."""
    old = table()
    new = old.replace(b"text 4", b"tixt 4")
    assert len(new) == len(old)
    store.objects = {"data/rows.parquet": old}
    (found,) = find_objects(ADDRESS, "--input")
    asked = iter(range(1, 1000))

    def change(method: str, path: str) -> None:
        if next(asked) == at:
            store.objects = {"data/rows.parquet": new}

    store.fault = change
    seen = []
    with pytest.raises(DataError, match=f"{ADDRESS}: it was changed while it was being read"):
        seen += read_table(found, found.name, "parquet")
    assert not [row for row in seen if "tixt" in str(row.values)]


def test_objects_are_written_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    folder = ObjectFolder.of("s3://data/out", "--output")
    assert folder.names() == set()
    large = [bytes([number]) * 2**20 for number in range(11)]
    for name, pieces in (("none", []), ("small", [b"a", b"b"]), ("large", large)):
        folder.write(name, pieces)
        assert folder.read(name) == b"".join(pieces)
    assert folder.names() == {"small", "large"}, (
        "one that is empty is what is left of a write that was stopped"
    )
    assert not store.uploads
    puts = iter([None, 403])
    store.fault = lambda method, path: next(puts, None) if method == "PUT" else None
    assert "s3://data/out/again: the store at" in error(lambda: folder.write("again", large))

    def broken() -> object:
        yield b"a"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        folder.write("again", broken())  # type: ignore[arg-type]
    store.fault = lambda method, path: None
    assert folder.names() == {"small", "large"}


def test_a_folder_to_write_to_is_a_folder() -> None:
    assert "names a bucket, and no folder in it" in error(lambda: ObjectFolder.of("s3://data/", "--output"))
