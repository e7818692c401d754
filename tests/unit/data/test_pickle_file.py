"""Pickles: which are opened, and which of their classes are known."""

from __future__ import annotations

import hashlib
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_files import settings
from scipy.sparse import csr_matrix

from sharpness.data.locate import locate, pinned
from sharpness.data.unpack import unpickle
from sharpness.io.errors import UserError
from sharpness.io.files import read_json, write_json
from sharpness.mini.data_sets import write_small_sets
from sharpness.studies.hammoud.pool import read_examples


class Attack:
    """Unpickled by the ordinary reader, this calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def opened(content: bytes, algorithm: str = "sha256") -> Any:
    """The value of a pickle whose digest is pinned."""
    digest = hashlib.new(algorithm, content).hexdigest()
    return unpickle(content, "here", f"{algorithm} {digest}", "get it")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_plain_data_arrays_and_sparse_matrices_are_read(algorithm: str) -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    value = defaultdict(list, {"array": [array, csr_matrix(array)], "label": [1, "a"]})
    found = opened(pickle.dumps(value, protocol=4), algorithm)
    assert (type(found), found["label"], found["new"]) == (defaultdict, [1, "a"], [])
    assert np.array_equal(found["array"][0], array)
    assert np.array_equal(found["array"][1].toarray(), array)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_is_not_pinned_is_not_opened(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "witness"
    content = pickle.dumps(Attack(Path.touch, witness), protocol)
    pickle.loads(content)
    assert witness.exists()  # the attack is a real one
    witness.unlink()
    for pin in (f"sha256 {'0' * 64}", f"md5 {'0' * 32}", "sha256 ", "sha256 None"):
        with pytest.raises(UserError, match=r"^here: is not the published file .*; get it$"):
            unpickle(content, "here", pin, "get it")
    with pytest.raises(UserError, match=r"^here: refused, it asks for .*; get it$"):
        opened(content)
    assert not witness.exists()


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Attack(np.load, "x")),
        pickle.dumps(Attack(getattr, np.ndarray, "tofile")),
        b"cnumpy.core.multiarray\nscalar\n.",
        b"cnumpy\nndarray.tofile\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
        b"c__builtin__\neval\n.",
    ],
)
def test_no_other_class_is_known(content: bytes) -> None:
    with pytest.raises(UserError, match="here: refused, it asks for"):
        opened(content)


def test_a_stand_in_is_opened_where_the_list_of_what_was_made_states_it(tmp_path: Path) -> None:
    mirror, listed = tmp_path / "mirror", tmp_path / "data.json"
    write_small_sets(mirror)
    made = {
        str(path.relative_to(tmp_path)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in mirror.rglob("*.*")
        if path.is_file()
    }
    write_json(listed, made)
    given = settings(tmp_path, mirror=str(mirror), standin=str(listed))
    record = locate("cora", given)
    assert record["title"] == "Cora (stand-in)"
    assert len(read_examples("gat", record, None).labels) == 1000
    # The same files by the name of the published ones, or under another list.
    with pytest.raises(UserError, match=r"ind\.cora\.x: is not the published file"):
        read_examples("gat", {key: v for key, v in record.items() if key != "standin"}, None)
    write_json(listed, dict.fromkeys(read_json(listed), "0" * 64))
    with pytest.raises(UserError, match=r"ind\.cora\.x: is not the published file"):
        read_examples("gat", record, None)
    write_json(listed, {})
    with pytest.raises(UserError, match=r"data\.json: states no digest of .*ind\.cora\.x"):
        pinned(record)
