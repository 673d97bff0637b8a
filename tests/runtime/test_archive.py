import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ftcore_runtime.archive import pack, unpack
from ftcore_runtime.errors import BundleError
from ftcore_runtime.pipeline import Pipeline


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


def make(file: Path, parts: list[tuple[tarfile.TarInfo, bytes]], **settings: object) -> Path:
    with tarfile.open(file, "w", **settings) as archive:
        for member, data in parts:
            archive.addfile(member, io.BytesIO(data))
    return file


def refused(file: Path, match: str) -> None:
    before = sorted(path.name for path in file.parent.iterdir())
    with pytest.raises(BundleError, match=match):
        unpack(file, file.parent / "out")
    assert sorted(path.name for path in file.parent.iterdir()) == before


def test_there_and_back(tiny_bundle: Path, tmp_path: Path) -> None:
    one = pack(tiny_bundle, tmp_path / "one.tar")
    folder = unpack(one, tmp_path / "bundle")
    assert contents(folder) == contents(tiny_bundle)
    assert Pipeline.load(folder).selftest() == 4
    for path in folder.iterdir():
        os.utime(path, (1, 1))
        path.chmod(0o600)
    assert pack(folder, tmp_path / "two.tar").read_bytes() == one.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "one.tar", "two.tar"]
    with tarfile.open(one) as archive:  # any tar reads it
        assert archive.getnames()[0] == "bundle.json"
        assert sorted(archive.getnames()) == sorted(contents(tiny_bundle))


def test_nothing_is_overwritten(tiny_bundle: Path, tmp_path: Path) -> None:
    file = pack(tiny_bundle, tmp_path / "one.tar")
    with pytest.raises(BundleError, match="already"):
        pack(tiny_bundle, file)
    (tmp_path / "here").mkdir()
    with pytest.raises(BundleError, match="already"):
        unpack(file, tmp_path / "here")


def test_an_archive_may_not_lie_within_its_bundle(copy_bundle: Callable[[], Path]) -> None:
    folder = copy_bundle()
    before = contents(folder)
    with pytest.raises(BundleError, match="would lie within the bundle"):
        pack(folder, folder / "bundle.tar")
    assert contents(folder) == before, "it would be a bundle no more"


def test_a_damaged_bundle_is_not_packed(copy_bundle: Callable[[], Path], tmp_path: Path) -> None:
    folder = copy_bundle()
    (folder / "extra").touch()
    with pytest.raises(BundleError, match="not in the manifest"):
        pack(folder, tmp_path / "one.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


@pytest.fixture
def archive(tiny_bundle: Path, tmp_path: Path) -> Path:
    return pack(tiny_bundle, tmp_path / "good.tar")


@pytest.mark.parametrize(
    "name", ["../out.txt", "/tmp/out.txt", "a/b", ".hidden", "a\\..\\b", "x" * 120, "README.MD"]
)
def test_a_name_that_is_no_plain_file_name(archive: Path, tmp_path: Path, name: str) -> None:
    extra = tarfile.TarInfo(name)
    refused(make(tmp_path / "bad.tar", [*members(archive), (extra, b"")]), "member named|plain file|form")


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.CONTTYPE],
)
def test_a_member_that_is_no_plain_file(archive: Path, tmp_path: Path, kind: bytes) -> None:
    parts = members(archive)
    extra = tarfile.TarInfo("README.md")
    extra.type, extra.linkname = kind, "/etc/passwd"
    kept = [(member, data) for member, data in parts if member.name != "README.md"]
    refused(make(tmp_path / "bad.tar", [*kept, (extra, b"")]), "no plain file")


def test_another_form_of_the_same_files(archive: Path, tmp_path: Path) -> None:
    parts = members(archive)
    refused(make(tmp_path / "order.tar", parts[::-1]), "in another form")
    refused(make(tmp_path / "padded.tar", parts), "in another form")  # up to a record of 10,240 bytes
    refused(compressed(archive), "no archive")
    (tmp_path / "long.tar").write_bytes(archive.read_bytes() + b"\0")
    refused(tmp_path / "long.tar", "in another form")
    for member, _ in parts:
        member.mtime = 7
    refused(make(tmp_path / "time.tar", parts), "in another form")
    pax = make(tmp_path / "pax.tar", parts, format=tarfile.PAX_FORMAT, pax_headers={"comment": "hidden"})
    refused(pax, r"\S")


def compressed(archive: Path) -> Path:
    file = archive.with_name("packed.tar.gz")
    with tarfile.open(file, "w:gz") as out:
        out.add(archive, "bundle.json")
    return file


def test_files_that_are_not_those_of_the_manifest(archive: Path, tmp_path: Path) -> None:
    parts = members(archive)
    refused(make(tmp_path / "less.tar", parts[:-1]), "missing")
    refused(make(tmp_path / "more.tar", [*parts, (tarfile.TarInfo("extra"), b"")]), "not in the manifest")
    refused(make(tmp_path / "twice.tar", [*parts, parts[0]]), "member named")
    many = [(tarfile.TarInfo(f"f{index}"), b"") for index in range(200)]
    refused(make(tmp_path / "many.tar", many), "more, or larger")


def test_a_size_beyond_the_archive(archive: Path, tmp_path: Path) -> None:
    huge = tarfile.TarInfo("bundle.json")
    huge.size = 2**30
    file = tmp_path / "huge.tar"
    file.write_bytes(huge.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    refused(file, "larger")
    short = tmp_path / "short.tar"
    short.write_bytes(archive.read_bytes()[:-5000])
    refused(short, r"\S")
    for other in ("nothing.tar", "zeros.tar"):
        (tmp_path / other).write_bytes(bytes(0 if other == "nothing.tar" else 10240))
        refused(tmp_path / other, r"\S")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no plain file")
    refused(tmp_path, "no plain file")
    with pytest.raises(BundleError, match="cannot be read"):
        unpack(tmp_path / "none", tmp_path / "out")


def test_errors_name_the_archive_and_not_where_it_is_unpacked(archive: Path, tmp_path: Path) -> None:
    def printed(file: Path) -> str:
        with pytest.raises(BundleError) as caught:
            unpack(file, tmp_path / "out")
        return f"{caught.value.where}: {caught.value.what} ({caught.value.hint})"

    zeros = tmp_path / "zeros.tar"
    zeros.write_bytes(bytes(10240))
    wanted = "give a file that `ftcore bundle pack` made"
    assert printed(zeros) == f"{zeros}: has no bundle.json ({wanted})"
    zeros.write_text("no archive")
    assert printed(zeros).startswith(f"{zeros}: is no archive of a bundle: ")
    assert printed(zeros).endswith(f" ({wanted})")
    parts = members(archive)
    member, data = parts[-1]
    damaged = make(tmp_path / "damaged.tar", [*parts[:-1], (member, bytes([data[0] ^ 1]) + data[1:])])
    assert printed(damaged).startswith(f"{damaged}, {member.name}: ")


def test_a_folder_that_does_not_exist_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        unpack(archive, tmp_path / "no" / "such" / "out")
    assert (caught.value.filename, caught.value.strerror) == (
        str(tmp_path / "no" / "such"),
        "there is no such folder",
    )
