"""Retrieval examples of one data set, and between which losses they are chosen."""

from __future__ import annotations

from suite.reporting import conclusions
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import AP, Block, Paragraph, listing
from suite.reporting.retrieval import FROZEN, Between, gallery


def retrieval(evidence: Evidence, data: DatasetEvidence) -> list[Block]:
    """Pictures of queries and their first results."""
    board = data.board(AP)
    if board.empty:
        return [Paragraph(conclusions.nothing(evidence, data))]
    between, why = _between(evidence, data)
    labels = {key: evidence.label(key) for key in (*between, FROZEN)}
    made = gallery(data, between, labels)
    if made is None:
        names = listing(labels.values())
        return [Paragraph(f"Neighbours of {names}, or the images, are not on record, so there are no examples.")]
    return [
        Paragraph(
            f"Examples illustrate; they decide nothing. {why} The marks tell the levels apart by glyph and border, not "
            "by colour alone."
        ),
        made,
    ]


def _between(evidence: Evidence, data: DatasetEvidence) -> tuple[Between, str]:
    """The leader and the next loss that is decided below it, since only there is a difference to be shown.

    Of losses that are not told apart, pictures would show what differs between any two runs.
    """
    order = list(data.board(AP)["loss"])
    leader, others = order[0], [loss for loss in order[1:] if loss in data.neighbours]
    if not others:
        return Between(leader, FROZEN), "There is no second loss to hold against; so they are between it and the floor."
    pairs = conclusions.test_pairs(data)
    below = {
        *pairs.loc[(pairs["loss_a"] == leader) & (pairs["decision"] == "a"), "loss_b"],
        *pairs.loc[(pairs["loss_b"] == leader) & (pairs["decision"] == "b"), "loss_a"],
    }
    label = evidence.label(leader)
    told = next((loss for loss in others if loss in below), None)
    if told is None:
        return Between(leader, others[0]), (
            f"They are between {label} and {evidence.label(others[0])}, next in the leaderboard. No loss is decided "
            f"below {label}, so what is seen here may be no more than what differs between any two runs."
        )
    return Between(leader, told), (
        f"They are between {label}, first in the leaderboard, and {evidence.label(told)}, the next that is decided "
        "below it."
    )
