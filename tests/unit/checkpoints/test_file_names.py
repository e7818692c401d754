"""Stems: any printable name becomes a name of files, and no two become the same."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpness.checkpoints.table import LONGEST, stem
from sharpness.io.errors import UserError

NAMES = st.text(min_size=1, max_size=12).filter(str.isprintable)


@given(NAMES)
def test_a_stem_is_safe_in_paths_shells_and_patterns(name):
    assert re.fullmatch(r"[A-Za-z0-9~][A-Za-z0-9._~-]*", stem(name))


@given(NAMES)
def test_a_stem_says_the_whole_name(name):
    assert unquote_to_bytes(stem(name).replace("~", "%")).decode() == name


@pytest.mark.parametrize("name", ["model-000", "B_16-i1k-300ep-lr_0.001", "bert.v2"])
def test_plain_names_stay(name):
    assert stem(name) == name


def test_odd_names_are_written_out():
    assert stem('a b;"c"') == "a~20b~3B~22c~22"
    assert stem("--help") == "~2D-help"
    assert stem("ünï") == "~C3~BCn~C3~AF"


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "tab\there", "x" * (LONGEST + 1)])
def test_names_that_cannot_be_files_are_refused(name):
    with pytest.raises(UserError, match="name"):
        stem(name)
