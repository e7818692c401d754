"""A reader of HTML that is strict about what is opened and closed."""

from __future__ import annotations

from html.parser import HTMLParser


class Tags(HTMLParser):
    """Checks that tags close in order, and gathers the text and the tables."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.tables: list[list[list[str]]] = []
        """Each a list of rows, each a list of texts; a cell over several columns repeats itself."""
        self.spans = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"meta", "img", "input"}:
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.spans = int(dict(attrs).get("colspan") or 1)
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in {"td", "th"}:
            row = self.tables[-1][-1]
            row += [row[-1]] * (self.spans - 1)

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def read_tags(page: str) -> Tags:
    """The text and tables of a page, all of whose tags close."""
    parser = Tags()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser
