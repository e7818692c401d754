"""Errors for users, in one line: the file or key, what is wrong, and what to do."""

from __future__ import annotations

import csv
import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REMAKE = "remove it and run again"
"""Advice for a file of the workflow that is damaged or does not fit."""

_LONGEST = 2000


class UserError(ValueError):
    """An error that the user can fix.

    The message is one line: the file or key, what is wrong with it, and what to do. Scripts print
    it and exit with code 1, without a traceback.
    """

    def __init__(self, message: object) -> None:
        """Reduce the message to one printable line, even if it quotes a file."""
        super().__init__(_one_line(str(message)))


def _one_line(text: str) -> str:
    """Escape unprintable characters as Python does; cut a long text in the middle."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


_AGAIN = "and run again; what is finished is kept"

_FAULTS = {
    errno.ENOSPC: f"no space left on the device; make room {_AGAIN}",
    errno.EDQUOT: f"the disk quota is used up; make room {_AGAIN}",
    errno.EFBIG: f"larger than a file may be here; raise the limit (`ulimit -f`) {_AGAIN}",
    errno.EROFS: f"the file system is read-only; allow writing, or name another folder, {_AGAIN}",
    errno.EACCES: f"permission denied; allow it, or name another folder, {_AGAIN}",
    errno.EPERM: f"not permitted; allow it, or name another folder, {_AGAIN}",
    errno.EIO: f"input/output error; see to the disk {_AGAIN}",
    errno.ESTALE: f"the network file system lost it; see to the mount {_AGAIN}",
    errno.ENOENT: "is not there, though it is needed; put it back if it is yours, and run again: "
    "the workflow makes its own anew",
    errno.ENOTDIR: f"is a file where a folder must be; move it away {_AGAIN}",
    errno.EEXIST: f"is a file where a folder must be; move it away {_AGAIN}",
    errno.EISDIR: f"is a folder where a file must be; move it away {_AGAIN}",
    errno.ENAMETOOLONG: f"the name is too long for the file system; shorten it {_AGAIN}",
    errno.EMFILE: f"too many open files; raise the limit (`ulimit -n`) {_AGAIN}",
    errno.ENFILE: f"too many open files on this machine; close some {_AGAIN}",
}

_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}
"""Error numbers of failed writes, which a library may hide behind its own exception."""

_UNSAID = {
    r"\d+ requested and \d+ written": errno.ENOSPC,  # numpy
    r"iostream error|PytorchStreamWriter failed|unexpected pos": errno.ENOSPC,  # torch.save
}

_OUT = re.compile(r"out of memory|ALLOC_FAILED|can't allocate memory", re.IGNORECASE)


def out_of_memory(error: BaseException) -> bool:
    """Return whether torch, or the driver below it, ran out of memory."""
    return isinstance(error, RuntimeError) and bool(_OUT.search(str(error)))


@contextmanager
def described(what: str) -> Iterator[None]:
    """Turn an error of the user's code into a UserError; let a lack of memory pass."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if out_of_memory(error) or isinstance(error, MemoryError):
            raise
        said = next(iter(str(error).splitlines()), "")
        raise UserError(f"{what} fails with {type(error).__name__}: {said}") from error


def errno_of(error: BaseException) -> int | None:
    """Return the operating system's error number behind an exception; None without one.

    Libraries that write files themselves give the number in their message, or only say that writing
    failed.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _FAULTS else None
    if said := re.search(r"\(os error (\d+)\)", str(error)):  # safetensors
        return int(said[1]) if int(said[1]) in _FAULTS else None
    if isinstance(error, FileNotFoundError):
        return errno.ENOENT
    for cause in _behind(error):
        if isinstance(cause, OSError) and cause.errno in _WRITING:
            return cause.errno
    if isinstance(error, OSError | RuntimeError):
        return next((n for words, n in _UNSAID.items() if re.search(words, str(error))), None)
    return None


def user_message(error: BaseException, file: str | os.PathLike[str]) -> str:
    """Return a one-line message for an error of the machine; empty for a defect in the code.

    ``file`` is the one being written, for an error that names none.
    """
    if isinstance(error, MemoryError) or out_of_memory(error):
        return f"{file}: out of memory while it was made; allow the job more (mem_mb) {_AGAIN}"
    number = errno_of(error)
    if number is None:
        return ""
    named = getattr(error, "filename", None)
    return f"{os.fsdecode(named) if named else file}: {_FAULTS[number]}"


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions during whose handling this one was raised."""
    seen = {id(error)}
    following = error.__cause__ or error.__context__
    while following is not None and id(following) not in seen:
        yield following
        seen.add(id(following))
        following = following.__cause__ or following.__context__


@contextmanager
def reading(path: str | Path, mend: str = "mend it, or get it anew") -> Iterator[None]:
    """Turn an error of reading a text or table into a UserError that ends with ``mend``."""
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        why = user_message(error, path)  # another file does not fix a disk error
        raise UserError(why or f"{path}: cannot be read ({error}); {mend}") from error
    except (ValueError, csv.Error) as error:  # not UTF-8, no table for pandas, an endless cell
        raise UserError(f"{path}: is no table ({error}); {mend}") from error
