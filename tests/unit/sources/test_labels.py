"""Which output stands for which class."""

from __future__ import annotations

from pathlib import Path

from refusal import refused

from sharpness.data.listing import imagenet_wnids
from sharpness.sources.labels import outputs_for, read_labels


def test_ids_of_imagenet_are_mapped_by_themselves() -> None:
    wnids = imagenet_wnids()
    found, how = outputs_for((wnids[7], wnids[2]), 1000)
    assert found == [7, 2]
    assert "ImageNet" in how


def test_names_of_outputs_come_before_the_order() -> None:
    found, how = outputs_for(("cat", "dog"), 2, ("Dog", "cat"))
    assert found == [1, 0]
    assert "names" in how
    assert outputs_for(("cat", "dog"), 2)[0] == [0, 1]


def test_other_numbers_of_outputs_need_a_table(tmp_path: Path) -> None:
    with refused("1000 outputs", "2 classes", "--labels"):
        outputs_for(("cat", "dog"), 1000)
    table = tmp_path / "labels.csv"
    table.write_text("class,output\ncat,281\ndog,207\n")
    assert outputs_for(("cat", "dog"), 1000, given=read_labels(table))[0] == [281, 207]
    with refused("fox", "add it"):
        outputs_for(("cat", "fox"), 1000, given=read_labels(table))
    with refused("281", "has 10"):
        outputs_for(("cat", "dog"), 10, given=read_labels(table))


def test_broken_tables_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    for text, said in (
        ("class,index\ncat,1\n", "'output'"),
        ("class,output\ncat,x\n", "row 2"),
        ("class,output\ncat,1\ncat,2\n", "row 3"),
        ("class,output\ncat\n", "row 2 has 1 cells"),
    ):
        table.write_text(text)
        with refused(table, said):
            read_labels(table)
