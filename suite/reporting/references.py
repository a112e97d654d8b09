"""The works that a report may cite, and those that it does cite, in the order of their first mention."""

from __future__ import annotations

from collections.abc import Iterator

from suite.errors import SuiteError
from suite.reporting.model import Block, Figure, Gallery, Paragraph, Points, Reference, Section, Summary, Table, spans

ARXIV = "https://arxiv.org/abs/"
# Key, authors, title (or the name that the work goes by), where it appeared, year, arXiv number.
_WORKS = (
    ("suprank", "Ramzi et al.", "Optimization of Rank Losses for Image Retrieval", "TPAMI", 2025, "2309.08250"),
    ("roadmap", "Ramzi et al.", "ROADMAP", "NeurIPS", 2021, "2110.01445"),
    ("happier", "Ramzi et al.", "HAPPIER", "ECCV", 2022, "2207.04873"),
    ("rsk", "Patel, Tolias and Matas.", "RS@k, the recall@k surrogate, and SiMix", "CVPR", 2022, "2108.11179"),
    ("smoothap", "Brown, Xie, Kalogeiton and Zisserman.", "Smooth-AP", "ECCV", 2020, "2007.12163"),
    ("fastap", "Cakir, He, Xia, Kulis and Sclaroff.", "FastAP", "CVPR", 2019, ""),
    ("revaud", "Revaud, Almazan, Rezende and de Souza.", "Learning with Average Precision", "ICCV", 2019, "1906.07589"),
    ("xbm", "Wang, Zhang, Huang and Scott.", "XBM, a cross-batch memory", "CVPR", 2020, ""),
    ("reality-check", "Musgrave et al.", "A reality check of metric learning", "ECCV", 2020, "2003.08505"),
    ("gldv2", "Weyand et al.", "Google Landmarks Dataset v2 (GLDv2)", "CVPR", 2020, "2004.01804"),
    ("revisited", "Radenovic et al.", "Oxford and Paris revisited", "CVPR", 2018, ""),
    ("triplet", "Schroff, Kalenichenko and Philbin.", "The triplet loss", "CVPR", 2015, ""),
    ("contrastive", "Hadsell, Chopra and LeCun.", "The contrastive loss", "CVPR", 2006, ""),
    ("arcface", "Deng, Guo, Xue and Zafeiriou.", "ArcFace", "CVPR", 2019, ""),
    (
        "blackbox",
        "Rolinek, Musil, Paulus, Vlastelica, Michaelis and Martius.",
        "Ranking metrics with blackbox differentiation",
        "CVPR",
        2020,
        "",
    ),
    ("csl", "Sun et al.", "Dynamic Metric Learning", "CVPR", 2021, ""),
    ("multi-similarity", "Wang, Han, Huang, Dong and Scott.", "The multi-similarity loss", "CVPR", 2019, ""),
    ("normface", "Wang et al.", "NormFace", "MM", 2017, ""),
    ("normalised-softmax", "Zhai and Wu.", "The normalised softmax", "BMVC", 2019, ""),
    ("proxy-anchor", "Kim, Kim, Cho and Kwak.", "Proxy-Anchor", "CVPR", 2020, ""),
    ("proxy-nca", "Teh, DeVries and Taylor.", "ProxyNCA++", "ECCV", 2020, ""),
    ("supcon", "Khosla et al.", "The supervised contrastive loss", "NeurIPS", 2020, ""),
    (
        "ties",
        "McSherry and Najork.",
        "Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores",
        "ECIR",
        2008,
        "",
    ),
)


def catalogue() -> dict[str, Reference]:
    """Every work that a report may cite, by its key."""
    return {
        key: Reference(
            key,
            f"{authors} {title}. {where}, {year}.{f' arXiv:{arxiv}.' if arxiv else ''}",
            f"{ARXIV}{arxiv}" if arxiv else "",
        )
        for key, authors, title, where, year, arxiv in _WORKS
    }


def cited(summary: tuple[Summary, ...], note: str, sections: tuple[Section, ...]) -> tuple[Reference, ...]:
    """The works that the texts of a report cite, in the order of their first mention.

    Raises:
        SuiteError: a text cites a key that `catalogue` lacks.
    """
    known, found = catalogue(), {}
    for key in _keys(summary, note, sections):
        if key not in known:
            raise SuiteError(f"the report cites '[@{key}]', which suite/reporting/references.py does not hold; add it")
        found[key] = known[key]
    return tuple(found.values())


def _keys(summary: tuple[Summary, ...], note: str, sections: tuple[Section, ...]) -> Iterator[str]:
    for part in summary:
        for finding in part.findings:
            yield from _in_text(finding.text)
    yield from _in_text(note)
    for section in sections:
        for block in section.blocks:
            yield from _in_block(block)


def _in_block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield from _in_text(block.text)
        case Points():
            for item in block.items:
                yield from _in_text(item)
        case Table():
            yield from _in_text(block.caption)
            for row in block.rows:
                for cell in row:
                    yield from cell.cites
        case Figure() | Gallery():
            yield from _in_text(block.caption)


def _in_text(text: str) -> Iterator[str]:
    for span in spans(text):
        if span.cite:
            yield span.text
