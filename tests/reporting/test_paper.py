"""The PDF is a paper: fonts embedded, nothing outside the margins, numbers in order, works cited and listed, tagged."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from synthetic import Study, make_study

from suite.errors import SuiteError
from suite.recipes import RECIPES
from suite.reporting.build import build_report
from suite.reporting.citing import cite
from suite.reporting.evidence import read_evidence
from suite.reporting.model import (
    Cell,
    Column,
    Figure,
    Finding,
    Gallery,
    Heading,
    Paragraph,
    Points,
    Report,
    Section,
    Summary,
    Table,
    numbered,
    spans,
)
from suite.reporting.pdf import render_pdf
from suite.reporting.references import catalogue, cited

# A4 with the template's margins, in points; glyphs may stand a little over a line's box.
WIDTH, HEIGHT = 595.28, 841.89
SIDE, TOP, BOTTOM, SLACK = 56.7, 37.0, 26.0, 2.0


@dataclass
class Paper:
    """A rendered report beside the document it came from."""

    report: Report
    data: bytes

    @cached_property
    def pdf(self) -> pypdfium2.PdfDocument:
        return pypdfium2.PdfDocument(self.data)

    @cached_property
    def pages(self) -> list[str]:
        return [_plain(page.get_textpage().get_text_range()) for page in self.pdf]

    @cached_property
    def text(self) -> str:
        return " ".join(self.pages)

    def objects(self, kind: int) -> Iterator[tuple[int, pypdfium2.PdfObject]]:
        for place, page in enumerate(self.pdf):
            yield from ((place, one) for one in page.get_objects(filter=[kind], max_depth=8))


def _plain(text: str) -> str:
    """Text without the marks of hyphenation and of places to break."""
    return " ".join(re.sub("[\ufffe\u200b]", "", text).split())


def _squeezed(text: str) -> str:
    """Letters and digits alone: where typst hyphenates, a line ends or a float stands is not what is asked."""
    return "".join(letter for letter in text if letter.isalnum())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("paper") / "artifacts"
    params = make_study(root, Study(losses=4, seeds=3, datasets=("emoji", "birds")))
    return read_evidence(params, root, RECIPES)


@pytest.fixture(scope="module")
def paper(study) -> Paper:
    report = build_report(study)
    return Paper(report, render_pdf(report))


def test_every_font_is_embedded(paper):
    fonts = {}
    for _, one in paper.objects(pdfium.FPDF_PAGEOBJ_TEXT):
        font = pdfium.FPDFTextObj_GetFont(one)
        name = ctypes.create_string_buffer(200)
        pdfium.FPDFFont_GetBaseFontName(font, name, 200)
        fonts[name.value] = pdfium.FPDFFont_GetIsEmbedded(font)
    assert any(b"Libertinus" in name for name in fonts)
    assert set(fonts.values()) == {1}


def test_every_text_stands_within_the_margins(paper):
    outside = [
        (page, [round(edge) for edge in box])
        for page, one in paper.objects(pdfium.FPDF_PAGEOBJ_TEXT)
        if (box := one.get_bounds())
        and (
            box[0] < SIDE - SLACK
            or box[2] > WIDTH - SIDE + SLACK
            or box[1] < BOTTOM - SLACK
            or box[3] > HEIGHT - TOP + SLACK
        )
    ]
    assert outside == []


def test_no_picture_leaves_its_page(paper):
    pictures = list(paper.objects(pdfium.FPDF_PAGEOBJ_IMAGE))
    assert pictures
    for _, one in pictures:
        left, bottom, right, top = one.get_bounds()
        assert 0 <= left < right <= WIDTH
        assert 0 <= bottom < top <= HEIGHT


def test_every_title_caption_and_finding_is_printed(paper):
    text = _squeezed(paper.text)
    report = paper.report
    captions = [block.caption for kind in (Figure, Table, Gallery) for block in report.blocks(kind)]
    told = [finding.text for part in report.summary for finding in part.findings]
    assert captions
    for words in (report.title, report.subtitle, report.note, *captions, *told):
        # A sentence may go on behind a float or a page's head: its beginning shows that it is there.
        plain = "".join(span.text for span in spans(words) if not span.cite)
        assert _squeezed(plain)[:40] in text
    for section in report.sections:
        assert _squeezed(section.title) in text


def test_figures_and_tables_count_upwards_in_body_and_appendix(paper):
    assert len(set(paper.report.labels.values())) == len(paper.report.labels)
    for kind in ("Figure", "Table"):
        for appendix in ("", "A"):
            shown = [int(n) for n in re.findall(rf"{kind} {appendix}(\d+)\. ", paper.text)]
            wanted = [label for label in paper.report.labels.values() if re.fullmatch(rf"{kind} {appendix}\d+", label)]
            assert shown == list(range(1, len(wanted) + 1))
            assert shown


def test_body_names_every_figure_and_table_it_leaves_to_the_appendix(paper):
    for section in paper.report.sections:
        if section.appendix or not any(isinstance(block, Paragraph | Points) for block in section.blocks):
            continue
        for block in section.blocks:
            if kind := numbered(block):
                label = paper.report.labels[kind, block.name]
                assert len(re.findall(rf"{label}\b", paper.text)) >= 2, label


def test_pages_are_numbered_and_headed(paper):
    assert len(paper.pages) > 3
    for place, text in enumerate(paper.pages, start=1):
        assert f"{place} / {len(paper.pages)}" in text
        assert place == 1 or text.startswith(paper.report.title)


def test_works_are_cited_and_listed_under_the_same_number(paper):
    references = paper.report.references
    assert {"suprank", "roadmap"} <= {one.key for one in references}
    body, _, rest = paper.text.partition("References [1]")
    for place, one in enumerate(references, start=1):
        assert f"[{place}]" in body
        assert place == 1 or f"[{place}]" in rest
        assert _squeezed(f"{place} {one.text}") in _squeezed(f"1 {rest}")


def test_report_says_how_it_is_cited(paper):
    assert _squeezed(paper.report.citation) in _squeezed(paper.text)


def test_links_lead_to_works_and_to_places_in_the_paper(paper):
    places, addresses = 0, set()
    for page in paper.pdf:
        position, link = ctypes.c_int(0), pdfium.FPDF_LINK()
        while pdfium.FPDFLink_Enumerate(page, position, link):
            if pdfium.FPDFLink_GetDest(paper.pdf, link):
                places += 1
                continue
            action = pdfium.FPDFLink_GetAction(link)
            buffer = ctypes.create_string_buffer(400)
            pdfium.FPDFAction_GetURIPath(paper.pdf, action, buffer, 400)
            addresses.add(buffer.value.decode())
    assert places > len(paper.report.labels)
    assert addresses == {one.url for one in paper.report.references if one.url}


def test_paper_is_tagged_and_says_what_it_is(paper):
    assert pdfium.FPDFCatalog_IsTagged(paper.pdf)
    metadata = paper.pdf.get_metadata_dict()
    assert metadata["Title"] == paper.report.title
    assert "rank losses" in metadata["Keywords"]
    assert metadata["CreationDate"] == metadata["ModDate"] == ""
    titles = [item.get_title() for item in paper.pdf.get_toc()]
    assert [one for one in titles if "Appendix" in one]
    for section in paper.report.sections:
        assert any(title.endswith(section.title) for title in titles)


def test_same_report_gives_the_same_bytes(paper):
    assert render_pdf(paper.report) == paper.data


def test_long_tables_of_second_rank_are_left_to_their_files():
    def table(name: str, rows: int, folded: bool) -> Table:
        cells = tuple((Cell(f"{name} {row}"), Cell("1", 1.0)) for row in range(rows))
        return Table(name, f"Table {name}.", (Column("a"), Column("b", True)), cells, pd.DataFrame(), folded=folded)

    blocks = (table("short", 30, True), table("long", 70, True), table("first", 70, False))
    report = _document(*blocks)
    text = Paper(report, render_pdf(report)).text
    assert "short 29" in text
    assert "first 69" in text
    assert "long 0" not in text
    assert "70 rows: see tables/long.csv" in text
    assert "tables/short.csv" not in text
    assert "Table A2. Table long." in text


def test_wide_table_stays_within_the_margins():
    cells = tuple(Cell("0.12345", 0.1, "[0.12345, 0.12345]") for _ in range(11))
    columns = tuple(Column(f"column {place}", True) for place in range(11))
    wide = Table("wide", "Many columns.", (Column("Loss"), *columns), ((Cell("A loss"), *cells),) * 4, pd.DataFrame())
    report = _document(Paragraph("Words."), wide)
    test_every_text_stands_within_the_margins(Paper(report, render_pdf(report)))


def test_text_that_reads_like_markup_is_printed_as_it_is():
    report = _document(Paragraph("#strong[a] *b* $c$ <d> @e [f] [@suprank] `#g`"))
    references = cited(report.summary, report.note, report.sections)
    text = Paper(report, render_pdf(replace(report, references=references))).text
    assert "#strong[a] *b* $c$ <d> @e [f] [1] #g" in text


def test_citations_are_found_wherever_text_is_in_the_order_of_mention():
    table = Table("t", "See [@rsk].", (Column("a"),), ((Cell("x", cites=("fastap", "suprank")),),), pd.DataFrame())
    summary = (Summary("", (Finding("Best", "As in [@gldv2].", "s"),)),)
    blocks = (Paragraph("By [@suprank]."), table, Points(("One.", "Two [@xbm].")))
    found = cited(summary, "With [@happier].", (Section("s", "S", blocks),))
    assert [one.key for one in found] == ["gldv2", "happier", "suprank", "rsk", "fastap", "xbm"]


def test_what_opens_a_part_belongs_to_its_first_text():
    def table(name: str) -> Table:
        return Table(name, f"Table {name}.", (Column("a"),), ((Cell("x"),),), pd.DataFrame())

    blocks = (table("a"), Paragraph("First."), table("b"), Heading("Part"), table("c"), Points(("One.", "Second.")))
    text = Paper(report := _document(*blocks), render_pdf(report)).text
    assert "First. (Table 1, Table 2)" in text
    assert "Second. (Table 3)" in text


def test_unknown_citation_is_named():
    with pytest.raises(SuiteError, match=r"\[@nobody2031\]"):
        cited((), "As in [@nobody2031].", ())


def test_works_say_author_title_place_and_year():
    for key, one in catalogue().items():
        assert one.key == key
        assert re.fullmatch(r"[A-Z].+\. .+\. [A-Za-z]+, (19|20)\d\d\.( arXiv:\d{4}\.\d{5}\.)?", one.text)
        assert one.url == "" or one.text.endswith(f"arXiv:{one.url.rpartition('/')[2]}.")


def test_bibtex_entry_can_be_pasted(study):
    named = replace(study, params=study.params.model_copy(update={"study": "my_own_2"}))
    entry = cite(named)
    assert re.match(r"@misc\{ranksuite-my-own-2(-\d{4})?,\n", entry)
    assert r"study my\_own\_2}" in entry
    assert entry.count("{") == entry.count("}")
    fields = re.findall(r"^  (\w+) = \{.+\},?$", entry, re.MULTILINE)
    assert fields[:2] == ["author", "title"]
    assert len(fields) == len(set(fields)) == entry.count("\n") - 2


def _document(*blocks) -> Report:
    section = Section("s", "Section", blocks)
    return Report("Title", "Subtitle", "study", (), "Note.", (section,), "@misc{key}\n", ())
