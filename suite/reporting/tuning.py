"""The section on tuning: what the recorded trials say of the learning rates that the runs used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd

from suite.config import Budget, Params
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import AP, Block, Cell, Column, Paragraph, Runs, Table, count, listing, number

VALIDATION = f"val/{AP}"
CASE = ["loss", "budget", "batch_size"]
# What a term of a combination says of itself, beside the settings of its loss.
OF_A_TERM = ("weight", "loss")


@dataclass(frozen=True)
class Choice:
    """A loss at a batch size and budget: the rate of `params.yaml` beside the one its search chose.

    `searched` is None where no search is on record; `validation` is the mean over seeds of the chosen rate.
    """

    loss: str
    budget: Budget
    batch_size: int
    learning_rate: float
    searched: float | None
    validation: float | None
    at_edge: bool

    @property
    def backed(self) -> bool:
        """Whether the rate in use is the one a recorded search chose."""
        return self.searched == self.learning_rate


def choices(evidence: Evidence, data: DatasetEvidence) -> Iterator[Choice]:
    """Every loss, budget and batch size of the settings with its recorded choice."""
    trials = data.trials
    for key, budget in itertools.product(evidence.params.losses, get_args(Budget)):
        for batch in evidence.params.batches(data.name, key, budget):
            mine = (trials["loss"] == key) & (trials["budget"] == budget) & (trials["batch_size"] == batch.batch_size)
            won = trials[mine & trials["chosen"].astype(bool)]
            yield Choice(
                key,
                budget,
                batch.batch_size,
                batch.learning_rate,
                None if won.empty else float(won["learning_rate"].iloc[0]),
                None if won.empty else float(won[VALIDATION].mean()),
                bool(len(won)) and bool(won["at_edge"].iloc[0]),
            )


def rates_in_words(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame) -> str:
    """How the learning rates of the losses, budgets and batch sizes in `table` came about, for a caption."""
    wanted = set(zip(table["loss"], table["budget"], table["batch_size"], strict=True))
    found = [one for one in choices(evidence, data) if (one.loss, one.budget, one.batch_size) in wanted]
    backed = sum(choice.backed for choice in found)
    if backed == len(found):
        return "learning rate chosen by search at each size"
    if backed:
        return f"learning rate chosen by search in {backed} of {len(found)} cases, see Tuning"
    return "learning rate as `params.yaml` gives it at each size"


def tuning(evidence: Evidence) -> list[Block]:
    """Budget, choices and edges of the recorded search of every data set."""
    several = len(evidence.datasets) > 1
    blocks: list[Block] = []
    for data in evidence.datasets:
        lead = f"{data.short}: " if several else ""
        found = list(choices(evidence, data))
        blocks.append(Paragraph(lead + " ".join(_sentences(evidence, data, found))))
        blocks.append(_table(evidence, data, found, several))
    return blocks


def _weight_decays(params: Params, dataset: str) -> list[str]:
    """The weight decay of each kind of run on a data set."""
    protocols = {params.protocol(loss) for loss in params.losses if params.runs(dataset, loss)}
    told = []
    if "head" in protocols:
        told.append(f"{params.training.weight_decay:g} for heads")
    if "full" in protocols:
        told.append(f"{params.full_settings(dataset).optimizer.weight_decay:g} for whole networks")
    return told


def _sentences(evidence: Evidence, data: DatasetEvidence, found: list[Choice]) -> Iterator[str]:
    searched = [choice for choice in found if choice.searched is not None]
    if not searched:
        yield (
            f"For study “{evidence.params.study}” on this data set no search is on record: the runs used the "
            "learning rates of `params.yaml`, and how these were chosen cannot be told here."
        )
        return
    yield _budget(data.trials)
    failed = int((data.trials["status"] != "finished").sum())
    if failed:
        yield f"{count(failed, 'trial')} failed; a rate with a failed trial was not chosen."
    yield "The best mean validation mAP chose; test classes took no part."
    decays = _weight_decays(evidence.params, data.name)
    yield f"Weight decay, which was not searched, is {listing(decays)}."
    edges = sum(choice.at_edge for choice in searched)
    if edges:
        yield (
            f"{count(edges, 'chosen rate lies', 'chosen rates lie')} at an end of the rates tried (marked *): "
            "a wider search could favour the loss there."
        )
    missing = [_place(evidence, choice) for choice in found if choice.searched is None]
    if missing:
        yield f"No search is on record for {listing(missing)}."
    other = [
        f"{_place(evidence, choice)} ({choice.learning_rate:g} in use, {choice.searched:g} chosen)"
        for choice in searched
        if not choice.backed
    ]
    if other:
        yield f"The rate in `params.yaml` is not the one its search chose for {listing(other)}."


def _budget(trials: pd.DataFrame) -> str:
    """Rates, seeds and trials of the search; one sentence more where the losses did not get the same."""
    grids = {
        (tuple(sorted(set(part["learning_rate"]))), tuple(sorted(set(part["seed"]))), len(part))
        for _, part in trials.groupby(CASE)
    }
    cases = trials.groupby(CASE).ngroups
    total = f"{count(len(trials), 'trial')} in all"
    if len(grids) == 1:
        rates, seeds, each = next(iter(grids))
        return (
            f"The search for each of the {count(cases, 'case')} (a loss at a batch size, at equal epochs or at equal "
            "steps) on record was the same, on validation classes: learning rates "
            f"{listing(f'{rate:g}' for rate in rates)}, "
            f"{count(len(seeds), 'seed')} each, so {count(each, 'trial')} a case and {total}."
        )
    sizes = sorted(each for _, _, each in grids)
    return (
        f"The {count(cases, 'case')} (a loss at a batch size, at equal epochs or at equal steps) on record were not "
        f"searched alike: from {sizes[0]} to {count(sizes[-1], 'trial')} a case on validation classes, {total}. A loss "
        "with more trials had more chances."
    )


def _table(evidence: Evidence, data: DatasetEvidence, found: list[Choice], several: bool) -> Table:
    sizes = sorted({choice.batch_size for choice in found})
    cells = {(choice.loss, choice.budget, choice.batch_size): _cell(choice, data.name) for choice in found}
    # Without runs at equal steps the budget is not worth a column.
    budgets = list(dict.fromkeys(choice.budget for choice in found))
    rows = tuple(
        (
            Cell(loss.label),
            Cell(settings_in_words(loss.settings) or "defaults"),
            *([Cell(budget)] if len(budgets) > 1 else []),
            *(cells.get((key, budget, size), Cell(number(None))) for size in sizes),
        )
        for (key, loss), budget in itertools.product(evidence.params.losses.items(), budgets)
        if any((key, budget, size) in cells for size in sizes)
    )
    frame = pd.DataFrame([vars(choice) for choice in found]).rename(
        columns={"searched": "searched_learning_rate", "validation": VALIDATION}
    )
    caption = "Learning rate in use for each loss and training batch size" + (
        ", above the validation mAP of the recorded trials that chose it."
        if any(choice.backed for choice in found)
        else "; no search is on record."
    )
    columns = (
        Column("Loss"),
        Column("Settings", wide=True),
        *([Column("Equal")] if len(budgets) > 1 else []),
        *(Column(f"batch {size}", True) for size in sizes),
    )
    return Table(f"{data.name}-tuning" if several else "tuning", caption, columns, rows, frame)


def settings_in_words(settings: Mapping[str, Any]) -> str:
    """Settings in words; a combination as the weighted sum it is."""
    terms = [
        f"{term.get('weight', 1)} {term['loss']} "
        f"({settings_in_words({key: value for key, value in term.items() if key not in OF_A_TERM})})"
        for term in settings.get("terms", [])
    ]
    plain = [
        f"{name} ({settings_in_words(value)})" if isinstance(value, Mapping) else f"{name} {value}"
        for name, value in settings.items()
        if name != "terms"
    ]
    return ", ".join([" + ".join(terms), *plain] if terms else plain)


def _cell(choice: Choice, dataset: str) -> Cell:
    detail = "not searched" if choice.searched is None else "not the choice"
    if choice.backed:
        detail = f"mAP {number(choice.validation)}"
    mark = " *" if choice.backed and choice.at_edge else ""
    behind = Runs(dataset, choice.loss, choice.batch_size, choice.budget)
    return Cell(f"{choice.learning_rate:g}{mark}", choice.learning_rate, detail, runs=behind)


def _place(evidence: Evidence, choice: Choice) -> str:
    where = " at equal steps" if choice.budget == "steps" else ""
    return f"{evidence.params.loss(choice.loss).label} at batch {choice.batch_size}{where}"
