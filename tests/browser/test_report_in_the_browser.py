"""The page of the report in Chromium: what it shows at every width, what its controls do, and who can read it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pypdfium2 import PdfDocument

from suite.reporting.links import run_link
from suite.reporting.model import Runs

WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")
Show = Callable[..., Page]


def values(page: Page, table: str, column: int) -> list[str]:
    """A column of a table as it is read."""
    cells = page.locator(f'table[data-name="{table}"] tbody tr > :nth-child({column})')
    return [text.split("\n")[0].strip() for text in cells.all_inner_texts()]


def heads(page: Page, table: str) -> list[str]:
    return page.locator(f'table[data-name="{table}"] thead button').all_inner_texts()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(show: Show, width: int, scheme: str) -> None:
    page = show(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    found = Axe().run(page)
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]] == []


@pytest.mark.parametrize(("width", "kind"), [(400, "narrow"), (800, "wide"), (1400, "wide")])
def test_every_figure_is_there_and_nothing_is_wider_than_the_page(show: Show, width: int, kind: str) -> None:
    page = show(width)
    figures = page.locator("figure:not(.gallery)")
    assert figures.count() > 15
    boxes = page.evaluate(
        """() => [...document.querySelectorAll("figure:not(.gallery)")].map((figure) => {
            const seen = [...figure.querySelectorAll(".drawing svg")].filter((one) => one.checkVisibility());
            return seen.map((one) => [one, one.getBoundingClientRect()]).map(([one, { left, right, height }]) =>
                [left, right, height, one.parentElement.className]);
        })"""
    )
    for shown in boxes:
        ((left, right, height, drawn),) = shown
        assert drawn == f"drawing {kind}"
        assert left >= 0
        assert right <= width
        assert right - left > 0.7 * min(width, 800)
        assert height > 80
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_text_of_figures_is_readable_at_every_width(show: Show) -> None:
    for width in WIDTHS:
        sizes = show(width).evaluate(
            """() => [...document.querySelectorAll(".drawing svg")].flatMap((svg) => {
                const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
                const size = (text) => scale * parseFloat(getComputedStyle(text).fontSize);
                return [...svg.querySelectorAll("text")].map((text) => [size(text), text.textContent]);
            }).filter(([size]) => size > 0)"""
        )
        assert [told for told in sizes if told[0] < 9] == []


def test_a_table_is_sorted_by_the_value_behind_its_cells(show: Show) -> None:
    page = show()
    table = "emoji-pairwise"
    page.locator(f"#table-{table} > summary").click()
    column = heads(page, table).index("p (Holm)") + 1
    button = page.locator(f'table[data-name="{table}"] thead button').nth(column - 1)
    exact = f"""[...document.querySelectorAll('table[data-name="{table}"] tbody tr')]
        .map((row) => row.cells[{column - 1}].dataset.value)"""
    button.click()
    falling = [float(value) for value in page.evaluate(exact) if value is not None]
    assert falling == sorted(falling, reverse=True)
    button.click()
    assert [float(value) for value in page.evaluate(exact) if value is not None] == falling[::-1]
    assert button.locator("..").get_attribute("aria-sort") == "ascending"


def test_cells_without_a_value_go_last(show: Show) -> None:
    page = show()
    page.locator("#table-runs > summary").click()
    column = heads(page, "runs").index("mAP, test") + 1
    button = page.locator('table[data-name="runs"] thead button').nth(column - 1)
    for _ in range(2):
        button.press("Enter")
        shown = values(page, "runs", column)
        missing = shown.count("–")
        assert missing > 0
        assert set(shown[-missing:]) == {"–"}


def test_a_long_table_shows_the_rows_asked_for(show: Show) -> None:
    page = show()
    page.locator("#table-runs > summary").click()
    page.get_by_label("Filter rows of", exact=False).locator("visible=true").last.fill("fastap finished")
    rows = page.locator('table[data-name="runs"] tbody tr:visible')
    texts = rows.all_inner_texts()
    assert 0 < len(texts) < page.locator('table[data-name="runs"] tbody tr').count()
    assert all("FastAP" in text and "finished" in text for text in texts)


@pytest.mark.parametrize("how", ["system", "button"])
def test_dark_reaches_page_and_figures(show: Show, how: str) -> None:
    page = show(scheme="light")
    read = """() => [document.body, document.querySelector(".drawing svg text"), document.querySelector(".card")]
        .map((one, place) => getComputedStyle(one)[["backgroundColor", "fill", "backgroundColor"][place]])"""
    light = page.evaluate(read)
    if how == "system":
        page.emulate_media(color_scheme="dark")
    else:
        page.locator("#theme").click()
        page.locator("#theme").click()
        assert page.locator("#theme").get_attribute("aria-label") == "Colours: dark"
    dark = page.evaluate(read)
    assert all(one != other for one, other in zip(light, dark, strict=True))
    if how == "button":
        page.reload()
        assert page.evaluate(read) == dark
        page.locator("#theme").click()
        assert page.evaluate(read) == light


def test_every_colour_of_a_figure_has_a_dark_twin(show: Show) -> None:
    page = show(scheme="light")
    read = """() => [...document.querySelectorAll(".drawing.wide svg :is(path, rect, use, text)")]
        .filter((one) => !one.closest("defs"))
        .map((one) => getComputedStyle(one))
        .map(({ fill, fillOpacity, stroke }) => [fillOpacity === "0" ? "none" : fill, stroke])"""
    light = page.evaluate(read)
    page.emulate_media(color_scheme="dark")
    painted = [
        (before, after)
        for shapes in zip(light, page.evaluate(read), strict=True)
        for before, after in zip(*shapes, strict=True)
        if before.startswith("rgb")
    ]
    assert len(painted) > 1000
    assert {before for before, after in painted if before == after} == set()


def test_a_point_tells_its_value_to_pointer_and_keys(show: Show) -> None:
    page = show()
    drawing = page.locator("#figure-main .drawing.wide")
    drawing.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    first = page.evaluate("JSON.parse(document.querySelector('#figure-main .drawing.wide').dataset.spots)[0]")
    box = drawing.bounding_box()
    page.mouse.move(box["x"] + box["width"] * first[0] / 1e4 + 3, box["y"] + box["height"] * first[1] / 1e4)
    value = page.locator("#value")
    expect(value).to_have_text(first[2])
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 40)
    expect(value).to_be_hidden()
    drawing.focus()
    drawing.press("ArrowRight")
    expect(value).to_be_visible()
    told = value.inner_text()
    drawing.press("ArrowRight")
    assert value.inner_text() != told
    drawing.press("Escape")
    expect(value).to_be_hidden()


def test_csv_buttons_hold_the_bytes_of_the_tables(show: Show, report: Path) -> None:
    page = show()
    page.locator("#table-emoji-pairwise > summary").click()
    for name in ("emoji-leaderboard", "emoji-pairwise"):
        with page.expect_download() as download:
            page.locator(f'button.csv[data-name="{name}.csv"]').click()
        assert Path(download.value.path()).read_bytes() == (report / "tables" / f"{name}.csv").read_bytes()
        assert download.value.suggested_filename == f"{name}.csv"
    with page.expect_download() as download:
        page.locator('button.csv[data-name="figure-main.csv"]').click()
    assert b"mean,low,high" in Path(download.value.path()).read_bytes().partition(b"\n")[0]


def test_the_page_holds_the_bytes_of_every_table(show: Show, report: Path) -> None:
    packed = show().evaluate(
        "Object.fromEntries([...document.querySelectorAll('button.csv')].map(({ dataset }) => "
        "[dataset.name, dataset.csv]))"
    )
    held = {name: gzip.decompress(base64.b64decode(data)) for name, data in packed.items()}
    shown = [name for name in held if not name.startswith("figure-")]
    assert len(shown) > 15
    assert [name for name in shown if (report / "tables" / name).read_bytes() != held[name]] == []


def test_the_tab_key_stops_at_a_table_only_where_it_scrolls(show: Show) -> None:
    page = show(400)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    boxes = page.evaluate(
        """[...document.querySelectorAll(".scroll")]
            .map((box) => [box.scrollWidth > box.clientWidth, box.tabIndex === 0])"""
    )
    assert {scrolls for scrolls, _ in boxes} == {True, False}
    assert [box for box in boxes if box[0] != box[1]] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_every_result_of_an_example_is_in_sight(show: Show, width: int) -> None:
    ends = show(width).evaluate(
        "[...document.querySelectorAll('.rankings img')].map((one) => one.getBoundingClientRect().right)"
    )
    assert 0 < max(ends) <= width


def test_numbers_lead_to_their_runs(show: Show) -> None:
    page = show()
    link = page.locator('table[data-name="emoji-leaderboard"] tbody tr', has_text="FastAP").locator("a.run").first
    assert link.get_attribute("href") == run_link("synthetic", Runs("emoji", "fastap", 256, "epochs"))


def test_the_contents_lead_to_sections_and_say_where_one_is(show: Show) -> None:
    page = show()
    links = page.locator("nav a")
    last = links.nth(links.count() - 4)
    last.click()
    expect(last).to_have_attribute("aria-current", "location")
    assert page.evaluate("location.hash") == last.get_attribute("href")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(links.last).to_have_attribute("aria-current", "location")
    expect(page.locator("nav a[aria-current]")).to_have_count(1)
    narrow = show(400)
    expect(narrow.locator("nav a:visible")).to_have_count(0)
    narrow.locator("nav summary").click()
    expect(narrow.locator("nav a:visible")).to_have_count(links.count())


def test_the_contents_name_a_topic_once_a_data_set(show: Show) -> None:
    page = show()
    for dataset in ("Emoji styles", "Landmarks styles"):
        part = page.locator("nav li", has=page.locator("span.part", has_text=dataset)).locator("a")
        assert "Leaderboard" in part.all_inner_texts()
        part.filter(has_text="Leaderboard").click()
        expect(page.locator("h2", has_text=f"Leaderboard: {dataset}")).to_be_in_viewport()


def test_a_link_to_a_folded_table_opens_it(show: Show) -> None:
    page = show()
    assert not page.locator("#table-runs").evaluate("(part) => part.open")
    page.evaluate("location.hash = 'table-runs'")
    expect(page.locator('table[data-name="runs"]')).to_be_visible()


def test_paper_has_no_controls_and_everything_open(show: Show) -> None:
    page = show(scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("nav:visible, #theme:visible, button.csv:visible, input:visible").count() == 0
    expect(page.locator('table[data-name="runs"]')).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_printed_table_has_its_heads_on_every_sheet(show: Show, tmp_path: Path) -> None:
    show().pdf(path=tmp_path / "printed.pdf", prefer_css_page_size=True)
    sheets = [page.get_textpage().get_text_range() for page in PdfDocument(tmp_path / "printed.pdf")]
    with_runs = [text for text in sheets if text.count("finished") > 5]
    assert len(with_runs) > 1
    assert all("Fingerprint" in text for text in with_runs)
