"""What a comparison of two studies says: differences of metrics and gaps, slopes side by side, what else differs."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd

from suite.reporting.decisions import decided
from suite.reporting.looks import Looks
from suite.reporting.model import (
    AP,
    HEADLINE,
    Block,
    Cell,
    Column,
    Figure,
    Finding,
    Paragraph,
    Summary,
    Table,
    count,
    listing,
    measured,
    number,
    p_value,
    whole,
)
from suite.reporting.plates import render
from suite.reporting.two_studies.differences import Differences
from suite.reporting.two_studies.figures import differences_figure
from suite.reporting.two_studies.studies import Study

WORDS = {"higher": "higher in B for", "lower": "lower in B for"}
_NOTE = "Differences are B minus A."


def summarised(a: Study, b: Study, found: list[Differences]) -> tuple[Summary, ...]:
    """What differs, data set by data set."""
    several = len(found) > 1
    return tuple(Summary(one.dataset if several else "", _findings(a, b, one)) for one in found)


def _findings(a: Study, b: Study, one: Differences) -> tuple[Finding, ...]:
    key = f"{one.dataset}-differences"
    if one.reason:
        return (Finding("Differences", f"None is formed: {one.reason}.", key),)
    rows = one.metrics[one.metrics["metric"] == AP]
    findings = [Finding("Test mAP", _told(rows, "test mAP"), key), Finding("Runs", _runs(a, b, one, rows), "differs")]
    if len(one.gaps):
        size = int(one.gaps["measure_batch_size"].min())
        rows = one.gaps[one.gaps["measure_batch_size"] == size]
        findings.append(
            Finding("Decomposability gap", _told(rows, f"gap of AP in batches of {size}"), f"{one.dataset}-gaps")
        )
    return tuple(findings)


def _told(rows: pd.DataFrame, what: str) -> str:
    if rows.empty:
        return f"No loss has a {what} in both studies."
    same = rows["difference"].eq(0) & (rows["same_runs"] == rows["seeds"])
    if same.all():
        return f"The {what} of every loss is the same: its runs are."
    sides = rows[rows["decision"] != "undecided"]
    if sides.empty:
        largest = rows.loc[rows["difference"].abs().idxmax()] if rows["difference"].notna().any() else None
        text = f"No loss differs for certain in {what}, of {len(rows)}"
        return text + (
            "." if largest is None else f"; the largest difference is {number(largest['difference'], sign=True)}."
        )
    told = decided(sides, WORDS, lambda row: row.label)
    return f"The {what} is {told}; {len(sides)} of {count(len(rows), 'loss', 'losses')} decided."


def _runs(a: Study, b: Study, one: Differences, rows: pd.DataFrame) -> str:
    same, seeds = int(rows["same_runs"].sum()), int(rows["seeds"].sum())
    text = f"{same} of {count(seeds, 'pair')} of runs at equal seeds are one and the same run (by fingerprint)."
    if same == seeds and seeds:
        text = "Every run of both has the same fingerprint: the same settings, data and code."
    missing = {
        letter: [study.params.loss(loss).label for loss in study.params.compared if loss not in one.losses]
        for letter, study in (("A", a), ("B", b))
    }
    only = "; ".join(f"only {letter} compares {listing(names)}" for letter, names in missing.items() if names)
    return f"{text} {only[0].upper() + only[1:]}." if only else text


def metric_blocks(a: Study, b: Study, one: Differences, look: Looks) -> list[Block]:
    """Differences of the metrics of the leaderboard."""
    if one.reason:
        return [Paragraph(f"No difference is formed: {one.reason}.")]
    shown = {metric: name for metric, name in HEADLINE.items() if metric in set(one.metrics["metric"])}
    table = one.metrics[one.metrics["metric"].isin(shown)]
    if table.empty:
        return [Paragraph("No loss has finished runs in both studies, so nothing can be compared.")]
    drawn = table.dropna(subset=["difference"])
    blocks: list[Block] = [
        Paragraph(
            f"{_told(table[table['metric'] == AP], 'test mAP')} {_NOTE} They are taken at equal seeds, query by query, "
            "with an interval and a test for new seeds and new classes, and Holm's correction over the losses of a "
            "metric. Where a loss has no seed in common, there is none."
        )
    ]
    if len(drawn):
        drawing = render(differences_figure, drawn, "metric", shown, "B minus A", look)
        caption = (
            f"Test metrics on {one.dataset}, B minus A, at batch size {b.params.main_batch_size}: a row a loss, zero: "
            "no difference. Bars: 95 % intervals for new seeds and new classes; filled: decided after the correction."
        )
        alt = "Differences of test metrics; every value is in the table that follows."
        blocks.append(Figure(f"{one.dataset}-differences", caption, alt, *drawing, drawn))
    rows = tuple(_row(row, Cell(shown[row.metric])) for row in table.itertuples())
    caption = (
        "Means of both studies over all their seeds, above their 95 % intervals; difference B minus A over the seeds "
        "of both, above its interval; p after Holm's correction over the losses of a metric. The CSV has all metrics."
    )
    blocks.append(Table(f"{one.dataset}-differences", caption, _columns("Metric"), rows, one.metrics, sortable=True))
    return blocks


def gap_blocks(one: Differences, look: Looks) -> list[Block]:
    """Differences of the gap of AP."""
    if one.gap_reason:
        return [Paragraph(f"The gap is not compared: {one.gap_reason}.")]
    if one.gaps.empty:
        return [Paragraph("No loss has a measured gap in both studies.")]
    sizes = {size: f"batches of {size}" for size in sorted(one.gaps["measure_batch_size"].unique())}
    drawing = render(differences_figure, one.gaps, "measure_batch_size", sizes, "gap of AP, B minus A", look)
    caption = (
        f"Decomposability gap of AP on {one.dataset}, B minus A, by measuring batch size: a row a loss, zero: no "
        "difference. Bars: 95 % t intervals over seeds, on the same partitions; filled: decided after the correction."
    )
    rows = tuple(_row(row, Cell(str(row.measure_batch_size), row.measure_batch_size)) for row in one.gaps.itertuples())
    told = [
        _told(rows_of, f"gap of AP in batches of {size}") for size, rows_of in one.gaps.groupby("measure_batch_size")
    ]
    return [
        Paragraph(" ".join(told)),
        Figure(
            f"{one.dataset}-gaps", caption, "Differences of the gap; the values are in the table.", *drawing, one.gaps
        ),
        Table(
            f"{one.dataset}-gaps",
            "Gap of AP in both studies at common seeds and partitions, and its difference, B minus A, above its 95 % "
            "interval over seeds; p after Holm's correction over the losses of a measuring size.",
            _columns("Measured at", True),
            rows,
            one.gaps,
            sortable=True,
        ),
    ]


def slope_blocks(a: Study, b: Study, dataset: str) -> list[Block]:
    """What a doubling of the training batch does, study by study."""
    keys = ["loss", "budget", "metric"]
    sides = []
    for study in (a, b):
        table = study.effects
        chosen = (table["dataset"] == dataset) & (table["quantity"] == "slope") & (table["metric"] == AP)
        sides.append(table.loc[chosen, [*keys, "label", "seeds", "estimate", "low", "high", "decision"]])
    both = sides[0].merge(sides[1], on=keys, how="inner", suffixes=("_a", "_b"))
    if both.empty:
        return [Paragraph("No loss has several batch sizes in both studies.")]
    rows = tuple(
        (
            Cell(row.label_b),
            Cell(row.budget),
            *(
                measured(*ends, sign=True, strong=decision != "undecided")
                for *ends, decision in (
                    (row.estimate_a, row.low_a, row.high_a, row.decision_a),
                    (row.estimate_b, row.low_b, row.high_b, row.decision_b),
                )
            ),
        )
        for row in both.itertuples()
    )
    caption = (
        "Change of test mAP for a doubling of the training batch in each study, above its 95 % interval; bold: decided "
        "in that study. Two intervals side by side are no test of their difference."
    )
    columns = (Column("Loss"), Column("Equal"), Column("A", True), Column("B", True))
    return [Table(f"{dataset}-slopes", caption, columns, rows, both, sortable=True)]


def what_differs(a: Study, b: Study) -> list[Block]:
    """Settings that differ, and what the runs of each study recorded of code, data and machine."""
    left, right = _flat(a.settings), _flat(b.settings)
    changed = [key for key in dict.fromkeys((*left, *right)) if left.get(key) != right.get(key)]
    blocks: list[Block] = []
    if changed:
        rows = tuple((Cell(key, code=True), _value(left, key), _value(right, key)) for key in changed)
        frame = pd.DataFrame([(key, left.get(key), right.get(key)) for key in changed], columns=["key", "a", "b"])
        columns = (Column("Key of params.yaml"), Column("A", wide=True), Column("B", wide=True))
        blocks.append(Table("settings", "Settings that differ; a dash: not set.", columns, rows, frame))
    else:
        blocks.append(Paragraph("The settings of both studies are the same."))
    facts = [(what, _recorded(a, what), _recorded(b, what)) for what in _FACTS]
    rows = tuple((Cell(what), *(Cell(value or number(None)) for value in values)) for what, *values in facts)
    frame = pd.DataFrame(facts, columns=["what", "a", "b"])
    columns = (Column("What"), Column("A", wide=True), Column("B", wide=True))
    blocks.append(Table("recorded", "What the runs of each study recorded.", columns, rows, frame))
    return blocks


def _recorded(study: Study, what: str) -> str:
    trained = study.runs[study.runs["batch_size"] > 0]
    if what == "Study":
        return f"{study.name} (study “{study.params.study}”)"
    if what == "Runs":
        finished = int((trained["status"] == "finished").sum())
        return f"{finished} finished, {len(trained) - finished} failed"
    if what in ("Code digests", "Data digests"):
        key = "code_digest" if what == "Code digests" else "data_digest"
        digests = {study.described(run, key)[:12] for run in trained["fingerprint"]}
        return ", ".join(sorted(filter(None, digests)))
    records = study.provenance()
    if what == "Commits":
        return _tally(str(record["commit"])[:12] for record in records if record.get("commit"))
    if what == "Uncommitted changes":
        return count(sum(bool(record.get("dirty")) for record in records), "run")
    versions = Counter(
        f"{name} {version}" for record in records for name, version in sorted((record.get("packages") or {}).items())
    )
    return ", ".join(sorted(versions))


_FACTS = ("Study", "Runs", "Commits", "Uncommitted changes", "Code digests", "Data digests", "Packages")


def _tally(values: Any) -> str:
    found = Counter(values)
    return ", ".join(f"{value} ({count(amount, 'run')})" for value, amount in sorted(found.items()))


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Settings by their whole key; lists are compared whole."""
    if isinstance(value, dict) and value:
        return {
            key: one for name, part in value.items() for key, one in _flat(part, f"{prefix}.{name}".lstrip(".")).items()
        }
    return {prefix: json.dumps(value, ensure_ascii=False)}


def _value(settings: dict[str, str], key: str) -> Cell:
    return Cell(settings[key], code=True) if key in settings else Cell(number(None))


def _row(row: Any, case: Cell) -> tuple[Cell, ...]:
    return (
        Cell(row.label),
        case,
        whole(row.seeds),
        measured(row.mean_a, row.low_a, row.high_a),
        measured(row.mean_b, row.low_b, row.high_b),
        measured(row.difference, row.low, row.high, sign=True, strong=row.decision != "undecided"),
        p_value(row.p_holm),
        Cell(
            row.decision if row.decision != "undecided" else f"undecided ({row.reason})",
            strong=row.decision != "undecided",
        ),
    )


def _columns(case: str, numeric: bool = False) -> tuple[Column, ...]:
    return (
        Column("Loss"),
        Column(case, numeric),
        Column("Seeds", True),
        Column("A", True),
        Column("B", True),
        Column("B − A", True),
        Column("p (Holm)", True),
        Column("B is", wide=True),
    )
