"""The page in a real browser: every coefficient, every control, and what a screen reader meets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

import pandas as pd
import pretrained
import pytest
import synthetic
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from sharpness.io.csv_files import read_frame
from sharpness.report.figures.catalogue import load_catalogue
from sharpness.report.page import write_report
from sharpness.report.page.results import PoolResults
from sharpness.report.tables import build_table, read_published_taus
from sharpness.report.verdict import error_kinds
from sharpness.statistics.correlation import correlations, read_pool
from sharpness.statistics.families import families
from sharpness.statistics.kendall import kendall

ROOT = Path(__file__).parents[3]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
RESNET, SOUPS = "cifar10-resnet18", "clip-soups"
CELL, TARGET = "worst-linf-adaptive-normlogits@0.001+paper", "error_test"
SELECTS = ["pool", "definition", "radius", "protocol", "target", "colour", "scale"]
LIMITS = ["xmin", "xmax", "ymin", "ymax"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium")


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PoolResults]:
    """Two pools: with groups and ablations, and with missing values, words and many targets."""
    path = tmp_path_factory.mktemp("pools") / "pool.csv"
    found = {}
    for name, pool in (RESNET, synthetic.pool(24)), (SOUPS, pretrained.pool(SOUPS)):
        pool["kind"] = ["a", "b", None] * (len(pool) // 3)
        pool.to_csv(path, index=False)
        read = read_pool(path)
        judged = families(read, error_kinds(read), draws=100)
        found[name] = PoolResults(
            f"All about {name}", read, correlations(read, resamples=20), judged
        )
    return found


@pytest.fixture(scope="module")
def report(pools: dict[str, PoolResults], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page of two pools, with a table and a figure."""
    folder = tmp_path_factory.mktemp("report")
    Image.new("RGBA", (300, 200), (0, 90, 160, 255)).save(folder / "fig38.png")
    figure = load_catalogue(ROOT / "resources" / "figures.yaml")["fig38"]
    printed = read_published_taus(ROOT / "resources" / "paper_taus.csv")
    table = build_table(3, {RESNET: pools[RESNET].correlations}, printed, "mini")
    out, png = folder / "report.html", folder / "fig38.png"
    rows = [["what", "the paper", "here"], ["noise", "", "ours"]]
    write_report(
        *(out, "mini", pools, [table], [(figure, png)], ["<digits>"]),
        measures=png,
        published_measures=read_frame(ROOT / "resources" / "published_measures.csv"),
        published=printed,
        departures=rows,
        provenance={"numpy": "2"},
    )
    return out.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, report: str) -> Iterator[Page]:
    """The explorer at one cell."""
    with opened(browser, f"{report}#pool={RESNET}&cell={CELL.replace('+', '%2B')}") as page:
        yield page


@contextmanager
def opened(
    browser: Browser, address: str, width: int = 1200, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Page]:
    """The page, which asks for no other file and prints nothing on the console."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if "://" in request.url else None)
    page.goto(address)
    page.evaluate("explorer.ready")
    yield page
    page.close()
    assert said == [address.partition("#")[0]]


def said(page: Page) -> str:
    return page.locator("#said").inner_text()


def line(tau: float, shown: int, models: int) -> str:
    return f"τ = {tau:.3f}, n = {shown} of {models} models"


def shown(page: Page) -> list[str]:
    return page.locator("#shown tbody td:first-child").all_inner_texts()


def tau_of(pool: pd.DataFrame, cell: str = CELL, target: str = TARGET) -> float:
    return kendall(pool[cell], pool[target], resamples=0, test=False).tau


def test_every_coefficient_of_every_pool_is_that_of_the_csv(
    page: Page, pools: dict[str, PoolResults]
) -> None:
    for name, found in pools.items():
        rows = found.correlations[found.correlations["subgroup"] == "all"]
        pairs = rows[["cell", "target"]].to_numpy().tolist()
        taus = page.evaluate(
            "([pool, pairs]) => pairs.map((pair) => explorer.tau(pool, ...pair))", [name, pairs]
        )
        assert len(taus) > 250
        assert taus == pytest.approx(rows["tau"].tolist(), abs=1e-12, nan_ok=True)


def test_a_cell_of_the_heat_map_opens_its_models(page: Page, pools: dict[str, PoolResults]) -> None:
    cells = page.locator(".heat").nth(1).locator("td a")
    assert cells.count() == 18 * 6
    cells.nth(40).click()
    link = cells.nth(40).get_attribute("href") or ""
    chosen = dict(parse_qsl(link[1:]))
    pool = pools[chosen["pool"]].pool
    tau = tau_of(pool, chosen["cell"], chosen["target"])
    assert said(page) == line(tau, len(pool), len(pool))
    assert float(cells.nth(40).inner_text().rstrip("*")) == pytest.approx(tau, abs=0.006)
    assert page.evaluate("document.activeElement.id") == "explorer"


def test_selects_lead_to_a_cell_and_the_address_holds_all(
    browser: Browser, page: Page, report: str, pools: dict[str, PoolResults]
) -> None:
    choose = page.locator("#controls select")
    choose.nth(1).select_option("Adaptive worst-case ℓ2, raw logits")
    choose.nth(2).select_option("0.5")
    choose.nth(3).select_option("released")
    choose.nth(4).select_option("gap")
    choose.nth(5).select_option("mixup")
    choose.nth(6).select_option("linear")
    page.locator("[name=ymax]").fill("0.09")
    page.locator("[name=ymax]").press("Enter")
    page.get_by_label("1", exact=True).uncheck()
    pool = pools[RESNET].pool
    cell = "worst-l2-adaptive-rawlogits@0.5+released"
    chosen = pool[(pool["gap"] <= 0.09) & (pool["mixup"] == 0)].dropna(subset=[cell])
    expected = line(tau_of(chosen, cell, "gap"), len(chosen), 22)
    assert said(page) == expected
    assert 3 < len(chosen) < 20
    with opened(browser, page.url) as again:
        assert said(again) == expected
        assert again.locator("[name=ymax]").input_value() == "0.09"
        assert [one.input_value() for one in again.locator("#controls select").all()] == [
            one.input_value() for one in choose.all()
        ]
    page.locator("#all").click()
    whole = pool.dropna(subset=[cell])
    assert said(page) == line(tau_of(whole, cell, "gap"), 22, 22)


COLOURED = """() => {
    const canvas = document.querySelector("#plot canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let i = 0; i < data.length; i += 4)
        found += Math.max(...data.slice(i, i + 3)) - Math.min(...data.slice(i, i + 3)) > 60;
    return found;
}"""
"""Number of pixels of the plot that are neither grey nor faint: a point has about 60."""


def test_points_are_drawn_by_every_colour(page: Page) -> None:
    for name in ("", "sam_rho", "learning_rate"):
        page.locator("[name=colour]").select_option(name)
        page.wait_for_timeout(100)
        assert page.evaluate(COLOURED) > 22 * 30


def test_a_missing_value_is_a_group(page: Page, pools: dict[str, PoolResults]) -> None:
    page.locator("[name=pool]").select_option(SOUPS)
    page.locator("[name=colour]").select_option("kind")
    assert "n = 12 of 12" in said(page)
    page.get_by_label("–", exact=True).uncheck()
    pool = pools[SOUPS].pool.dropna(subset=["kind"])
    cell, target = (dict(parse_qsl(page.url.partition("#")[2]))[key] for key in ("cell", "target"))
    assert said(page) == line(tau_of(pool, cell, target), 8, 12)


def test_a_brush_selects_models(page: Page, pools: dict[str, PoolResults]) -> None:
    pool = pools[RESNET].pool.set_index("model")
    assert said(page) == line(tau_of(pool), 22, 22)
    page.locator("#plot").scroll_into_view_if_needed()
    box = page.locator("#plot canvas").bounding_box()
    assert box is not None
    x, y, width, height = (box[key] for key in ("x", "y", "width", "height"))
    page.mouse.move(x + 0.2 * width, y + 0.1 * height)
    page.mouse.down()
    page.mouse.move(x + 0.7 * width, y + 0.6 * height, steps=4)
    page.mouse.up()
    ends = [float(page.locator(f"[name={name}]").input_value()) for name in LIMITS]
    inside = pool[CELL].between(*ends[:2]) & pool[TARGET].between(*ends[2:])
    assert 3 <= inside.sum() < 20
    assert sorted(shown(page)) == sorted(pool.index[inside])
    assert said(page) == line(tau_of(pool[inside]), inside.sum(), 22)
    page.wait_for_timeout(100)
    assert inside.sum() * 30 < page.evaluate(COLOURED) < 22 * 60
    page.mouse.click(x + 0.9 * width, y + 0.8 * height)  # beside the brush, which ends it
    assert said(page) == line(tau_of(pool), 22, 22)


def test_the_keyboard_alone_reaches_and_works_every_control(page: Page) -> None:
    reached = []
    page.locator("#explorer").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(({name, id, textContent}) => name || id || textContent)"
                          "(document.activeElement)")
        )  # fmt: skip
        if reached[-1] == "gap":
            break
    assert [name for name in reached if name in SELECTS + LIMITS] == [*SELECTS, *LIMITS]
    assert {"group", "all", "csv", "model", "sharpness"} <= {*reached}
    page.locator("[name=radius]").focus()
    before = said(page)
    page.keyboard.press("ArrowDown")
    assert said(page) != before
    page.locator("[name=group]").first.focus()
    page.keyboard.press("Space")
    assert len(shown(page)) < 22
    assert page.evaluate("document.activeElement.name") == "group"
    page.locator("#shown button").nth(1).focus()
    page.keyboard.press("Enter")
    values = [float(v) for v in page.locator("#shown tbody td:nth-child(2)").all_inner_texts()]
    assert values == sorted(values)
    assert page.locator("#shown th").nth(1).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert page.locator("#shown th").nth(1).get_attribute("aria-sort") == "descending"


def test_the_models_shown_are_downloaded_with_every_digit(
    page: Page, pools: dict[str, PoolResults]
) -> None:
    page.locator("[name=group]").first.uncheck()
    with page.expect_download() as download:
        page.locator("#csv").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    found = pd.read_csv(StringIO(text)).set_index("model")
    assert found.index.tolist() == shown(page)
    pool = pools[RESNET].pool.set_index("model").loc[found.index]
    assert len(found) < 22
    for name in (CELL, TARGET, "sam_rho", "learning_rate"):
        assert found[name].equals(pool[name].astype(found[name].dtype))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    browser: Browser, report: str, scheme: Literal["light", "dark"]
) -> None:
    with opened(browser, report, scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        violations = Axe().run(page).response["violations"]
        assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_is_wider_than_the_screen(browser: Browser, report: str, width: int) -> None:
    with opened(browser, report, width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for control in page.locator("#controls > label, #plot canvas, #csv").all():
            box = control.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
