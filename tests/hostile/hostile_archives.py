"""Archives that would write elsewhere, fill the disk or the memory, or are not what they say."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from hostile_readers import cuts, loaded, unpacked
from hostile_world import Case, Maker
from photo_files import CLASSES, photo, tar

from sharpness.data.unpack import BATCHES

INSIDE = {f"imagenet-r/{CLASSES[0]}/0.png": photo(0), "imagenet-r/README.txt": b"about"}
SKETCH = {f"sketch/{CLASSES[0]}/0.png": photo(0)}
Member = tarfile.TarInfo


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def header(info: Member, form: int = tarfile.GNU_FORMAT) -> bytes:
    return info.tobuf(form)


def holding(*infos: Member, content: bytes = b"", form: int = tarfile.GNU_FORMAT) -> Maker:
    """A tar of photos, and members behind them; ``precious`` lies where links may point."""

    def make(given: Path) -> Path:
        (given / "precious").write_text("precious")
        whole = tar(INSIDE)
        end = len(whole) - next(i for i in range(len(whole)) if whole[-i - 1])
        path = given / "imagenet-r.tar"
        more = b"".join(header(info, form) + content for info in infos)
        path.write_bytes(whole[: -(-end // 512) * 512] + more + bytes(1024))
        return path

    return make


def pax(key: str, value: str, name: str = "imagenet-r/x") -> Maker:
    """A tar with a record of the newer kind about its last member."""
    info = member(name)
    info.pax_headers = {key: value}
    return holding(info, form=tarfile.PAX_FORMAT)


def linked_and_entered(given: Path) -> Path:
    """A link, and a file through it."""
    infos = (
        member("imagenet-r/way", tarfile.SYMTYPE, "../../.."),
        member("imagenet-r/way/witness"),
    )
    return holding(*infos)(given)


def shaped(change: Callable[[bytes], bytes], name: str = "imagenet-r.tar.gz") -> Maker:
    """A compressed tar of photos, changed as a whole."""

    def make(given: Path) -> Path:
        path = given / name
        path.write_bytes(change(tar(INSIDE, "gz")))
        return path

    return make


def flipped(at: float) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        damaged = bytearray(content)
        damaged[int(at * len(content))] ^= 0x10
        return bytes(damaged)

    return change


def zeros(before: bytes, size: int) -> bytes:
    """A small ``.gz`` of some bytes and ``size`` zeros, made quickly: in many members."""
    step = gzip.compress(bytes(1 << 20))
    return gzip.compress(before) + step * (size >> 20)


def bomb(info: Member, name: str = "imagenet-r.tar.gz", size: int = 1 << 30) -> Maker:
    """A compressed tar of one huge member that holds zeros."""

    def make(given: Path) -> Path:
        path = given / name
        path.write_bytes(zeros(header(info), size))
        return path

    return make


def zipped(
    files: dict[str, bytes] | None = None, change: Callable[[bytes], bytes] = lambda b: b
) -> Maker:
    def make(given: Path) -> Path:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**SKETCH, **(files or {})}.items():
                archive.writestr(name, content)
        path = given / "ImageNet-Sketch.zip"
        path.write_bytes(change(stream.getvalue()))
        return path

    return make


def special(kind: int, content: bytes = b"../../precious") -> Maker:
    """A zip with a member that is no file, such as Unix archivers write."""

    def make(given: Path) -> Path:
        (given / "precious").write_text("precious")
        path = given / "ImageNet-Sketch.zip"
        info = zipfile.ZipInfo(f"sketch/{CLASSES[0]}/x.png")
        info.create_system, info.external_attr = 3, (kind | 0o644) << 16
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(info, content)
        return path

    return make


def zip_bomb(given: Path) -> Path:
    path = given / "ImageNet-Sketch.zip"
    return zip_of_zeros(path, f"sketch/{CLASSES[0]}/0.png", 1024)


def zip_of_zeros(path: Path, member: str, steps: int) -> Path:
    """A zip of one member that holds some 2²⁰ zeros each; it has a thousandth of that."""
    step = 1 << 20
    packer = zlib.compressobj(1, wbits=-15)
    first = packer.compress(bytes(step)) + packer.flush(zlib.Z_FULL_FLUSH)
    second = packer.compress(bytes(step)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + second * (steps - 1) + packer.flush()
    crc = 0
    for _ in range(steps):
        crc = zlib.crc32(bytes(step), crc)
    name = member.encode()
    fields = struct.pack("<HHHIIIHH", 8, 0, 33, crc, len(packed), steps * step, len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<HH", 20, 0) + fields + name
    entry = b"PK\x01\x02" + struct.pack("<HHH", 20, 20, 0) + fields + bytes(14) + name
    start = len(local) + len(packed)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), start, 0)
    path.write_bytes(local + packed + entry + end)
    return path


R, SKETCHED = unpacked("imagenet-r"), unpacked("imagenet-sketch")
PAX = tarfile.XHDTYPE
FOLDER = f"cifar-10-batches-py/{next(iter(BATCHES))}"


CASES = [
    Case("tar: an absolute path", holding(member("/witness")), R, ("outside",)),
    Case("tar: down and up again", holding(member("imagenet-r/../../witness")), R, ("outside",)),
    Case("tar: a link, and a file through it", linked_and_entered, R, ("neither file nor",)),
    Case("tar: a hard link outside", holding(member("x", tarfile.LNKTYPE, "../../precious")), R),
    Case("tar: a device", holding(member("imagenet-r/null", tarfile.CHRTYPE)), R),
    Case("tar: a pipe", holding(member("imagenet-r/pipe", tarfile.FIFOTYPE)), R),
    Case("tar: a file twice", holding(member("imagenet-r/README.txt")), R, ("twice",)),
    Case(
        "tar: a folder where a file is",
        holding(member("imagenet-r/README.txt/x")),
        R,
        ("a file and of a folder",),
    ),
    Case("tar: a name with new lines", holding(member("../a\nError: delete it\n\x1b[2J")), R),
    Case("tar: a NUL in a name", pax("path", "imagenet-r/a\0b"), R, ("null byte",)),
    Case("tar: less than no bytes", pax("size", "-1024"), R, ("less than no",)),
    Case("tar: a gigabyte of zeros", bomb(member("imagenet-r/x", size=1 << 30)), R, ("more",)),
    Case("tar: a record of a gigabyte", bomb(member("x", PAX, size=1 << 30)), R, ("a name of",)),
    *(
        Case(f"tar: cut off at {n}", shaped(lambda c, n=n: c[:n]), R)
        for n in cuts(len(tar(INSIDE, "gz")))
    ),
    *(Case(f"tar: a bit flipped at {at}", shaped(flipped(at)), R) for at in (0.0, 0.6, 0.99)),
    Case("zip: an absolute path", zipped({"/witness": b""}), SKETCHED, ("outside",)),
    Case("zip: the folder above", zipped({"../witness": b""}), SKETCHED, ("outside",)),
    Case("zip: a link", special(stat.S_IFLNK), SKETCHED, ("neither file nor folder",)),
    Case("zip: a gigabyte of zeros", zip_bomb, SKETCHED, ("more than",)),
    *(
        Case(f"zip: cut off at {n}", zipped(change=lambda c, n=n: c[: int(n * len(c))]), SKETCHED)
        for n in (0.0, 0.2, 0.99)
    ),
    Case(
        "CIFAR-10: a batch of a gigabyte",
        bomb(member(FOLDER, size=1 << 30), "cifar-10-python.tar.gz"),
        loaded("cifar10", split="train"),
        ("more than",),
    ),
]
