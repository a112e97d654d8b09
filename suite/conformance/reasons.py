"""Why an implementation deviates from the definition: one sentence each, checked by experiment.

A deviation without an entry here is reported as unexplained; an entry without a deviation fails the tests, unless it
depends on luck.
"""

from __future__ import annotations

from typing import NamedTuple

# Implementation, quantity, case.
Key = tuple[str, str, str]


class Deviation(NamedTuple):
    """One reason and all that it explains; not `certain` where an order that nobody states may happen to be ours."""

    implementation: str
    quantities: tuple[str, ...]
    cases: tuple[str, ...]
    reason: str
    certain: bool = True


EVERYWHERE = (
    "square",
    "equal",
    "order",
    "unequal",
    "singles",
    "copies",
    "strays",
    "ties",
    "negative",
    "gallery",
)
EQUAL_SCORES = ("strays", "ties")


def without(*names: str) -> tuple[str, ...]:
    """All cases but these."""
    return tuple(case for case in EVERYWHERE if case not in names)


PML, TREC = "pytorch-metric-learning", "pytrec-eval-terrier"

# What several quantities share is said in the same words: the notes of the table are numbered by text.
ROW_ORDER = "Equal scores come in the order of their rows; the definition puts the less relevant item first."
NAME_ORDER = (
    "Equal scores are ordered by the names of the items, the last name first; the definition puts the less relevant "
    "item first."
)
NO_ORDER = (
    "Equal scores come as `torch.topk` or `torch.argsort` leaves them, in no stated order; the definition puts the "
    "less relevant item first."
)
MEAN_DISCOUNT = "Equal scores share the mean of their discounts; the definition puts the less relevant item first."
ALL_POSITIVES = "It divides by the number of all positives; the definition divides by k where there are more than k."
LINEAR_GAIN = (
    "The gain of an item is its relevance t; in the definition it is 2^t - 1, which the row of gains gives it."
)
FOUND_ONLY = "It divides by the positives found in the top k; the definition divides by min(k, all positives)."
BOTH_ORDER = "As in the other columns of the row, and equal scores come in no stated order."
BOTH_GAIN = "As in the other columns of the row, and equal scores are treated as in the row of gains."

DEVIATIONS = (
    Deviation(
        "online-triplet-loss",
        ("batch_hard_triplet_loss",),
        ("singles",),
        "The mean is over all anchors, those without a positive and those of zero loss included; the definition takes "
        "it over the losses that are not zero.",
    ),
    Deviation("pytorch-ignite", ("HitRate, top_k 2",), EQUAL_SCORES, NO_ORDER, certain=False),
    Deviation("pytorch-ignite", ("NDCG",), EQUAL_SCORES, ROW_ORDER),
    Deviation(
        PML,
        ("SmoothAPLoss",),
        ("equal",),
        "It takes the number of items a class for the number of classes, so that five classes of three are read as "
        "three of five; it is right only where the two numbers are equal.",
    ),
    Deviation(
        PML,
        ("SmoothAPLoss",),
        ("order",),
        "It takes consecutive rows for a class whatever their labels, so the batch must come class by class.",
    ),
    Deviation(
        PML,
        ("CrossBatchMemory",),
        EVERYWHERE,
        "It is the memory term alone, with the batch entered before it; the definition adds that term to the loss of "
        "the batch, as the paper does.",
    ),
    Deviation(PML, ("mean_average_precision", "mean_average_precision_at_r", "r_precision"), EQUAL_SCORES, ROW_ORDER),
    Deviation(PML, ("precision_at_1",), ("ties",), ROW_ORDER),
    Deviation(TREC, ("map", "map_cut_5", "ndcg of gains"), EQUAL_SCORES, NAME_ORDER),
    Deviation(TREC, ("P_5", "recall_5", "Rprec"), ("ties",), NAME_ORDER),
    Deviation(TREC, ("map_cut_5", "recall_5"), ("unequal",), ALL_POSITIVES),
    Deviation(
        "scikit-learn",
        ("average_precision_score",),
        ("copies", "ties"),
        "Items of one score share a threshold, so all their positives get the precision at its end; the definition "
        "ranks them one by one, the less relevant first.",
    ),
    Deviation("scikit-learn", ("ndcg_score of gains",), EQUAL_SCORES, MEAN_DISCOUNT),
    Deviation(
        "torchmetrics",
        ("RetrievalMAP", "RetrievalHitRate, top_k 2", "RetrievalPrecision, top_k 2", "RetrievalRPrecision"),
        EQUAL_SCORES,
        NO_ORDER,
        certain=False,
    ),
    Deviation(
        "torchmetrics",
        ("RetrievalMAP",),
        ("negative",),
        "An item that scores 0 or less never counts as relevant, so positives with a negative cosine drop out of the "
        "mean.",
    ),
    Deviation("torchmetrics", ("RetrievalMAP, top_k 2",), without(*EQUAL_SCORES), FOUND_ONLY),
    Deviation("torchmetrics", ("RetrievalMAP, top_k 2",), EQUAL_SCORES, BOTH_ORDER),
    Deviation("torchmetrics", ("RetrievalRecall, top_k 2",), without("equal", *EQUAL_SCORES), ALL_POSITIVES),
    Deviation("torchmetrics", ("RetrievalRecall, top_k 2",), EQUAL_SCORES, BOTH_ORDER),
    Deviation("torchmetrics", ("RetrievalNormalizedDCG of gains",), EQUAL_SCORES, MEAN_DISCOUNT),
    *(
        Deviation(implementation, (quantity,), places, reason)
        for implementation, quantity in (
            (TREC, "ndcg"),
            ("scikit-learn", "ndcg_score"),
            ("torchmetrics", "RetrievalNormalizedDCG"),
        )
        for places, reason in ((without(*EQUAL_SCORES), LINEAR_GAIN), (EQUAL_SCORES, BOTH_GAIN))
    ),
)

REASONS: dict[Key, str] = {
    (deviation.implementation, quantity, case): deviation.reason
    for deviation in DEVIATIONS
    for quantity in deviation.quantities
    for case in deviation.cases
}
