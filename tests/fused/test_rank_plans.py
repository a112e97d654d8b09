"""A plan says who is a positive of whom as ranges, and gives every pair of a query and an item of its class a slot."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from suite.kernels.fused.plan import plan_fits, rank_plan

CLASSES = 12


@st.composite
def batches(draw):
    """Labels of queries (Q, L) and gallery (G, L) that nest, the queries' gallery places or None, and `counted`."""
    levels = draw(st.integers(1, 3))
    classes = st.integers(0, CLASSES - 1)
    items = torch.tensor(draw(st.lists(classes, min_size=1, max_size=40)))
    counted = draw(st.booleans())
    kind = draw(st.sampled_from(["own", "share", "other"]))
    labels = renamed(levelled(items, levels), draw(st.integers(0, 1000)))
    if kind == "own":
        return labels, labels, torch.arange(len(items)), counted
    if kind == "share":
        start = draw(st.integers(0, len(items)))
        places = torch.arange(start, draw(st.integers(start, len(items))))
        return labels[places], labels, places, counted
    queries = torch.tensor(draw(st.lists(classes, min_size=1, max_size=20)))
    everyone = renamed(levelled(torch.cat([queries, items]), levels), draw(st.integers(0, 1000)))
    return everyone[: len(queries)], everyone[len(queries) :], None, counted


def levelled(classes, levels):
    return torch.stack([classes // 2**level for level in range(levels)], 1)


def renamed(labels, seed):
    """The same classes at every level under other numbers."""
    generator = torch.Generator().manual_seed(seed)
    names = [torch.randperm(50, generator=generator)[:CLASSES] - 25 for _ in range(labels.shape[1])]
    return torch.stack([some[column] for some, column in zip(names, labels.t(), strict=True)], 1)


def agreement(query_labels, labels):
    """(Q, G), the number of levels at which a query and an item agree."""
    return (query_labels[:, None] == labels).sum(2)


def positives(query_labels, labels, places, counted):
    """(Q, G) bool: who is a positive of whom at the coarsest level."""
    found = query_labels[:, None, -1] == labels[:, -1]
    if places is not None and not counted:
        found[torch.arange(len(places)), places] = False
    return found


@given(batches())
def test_the_range_of_a_query_is_its_class(batch):
    query_labels, labels, places, counted = batch
    plan = rank_plan(query_labels, labels, places, counted)
    assert torch.equal(plan.query_order.sort().values, torch.arange(len(query_labels)))
    assert torch.equal(plan.gallery_order.sort().values, torch.arange(len(labels)))
    place = torch.arange(len(labels))
    inside = ((place >= plan.lows[..., None]) & (place < plan.highs[..., None])).sum(0)
    relevance = agreement(query_labels, labels)[plan.query_order][:, plan.gallery_order]
    wanted = positives(*batch)[plan.query_order][:, plan.gallery_order]
    known = wanted.any(1)
    # A query without positives has no slots, not even its own.
    assert torch.equal(inside, relevance * known[:, None])
    assert plan.ranked == int(known.sum())
    assert not bool(known[: len(known) - plan.ranked].any())
    itself = (place == plan.own[:, None]) & known[:, None]
    assert torch.equal((inside > 0) & ~itself, wanted)


@given(batches())
def test_own_places_are_those_of_the_sorted_gallery(batch):
    query_labels, labels, places, counted = batch
    plan = rank_plan(query_labels, labels, places, counted)
    if places is None or counted:
        assert bool((plan.own == -1).all())
    else:
        assert torch.equal(plan.gallery_order[plan.own.long()], places[plan.query_order])


@given(batches())
def test_blocks_hold_the_slots_of_all_queries_once(batch):
    plan = rank_plan(*batch)
    sizes = (plan.highs[-1] - plan.lows[-1]).tolist()
    seen, row = torch.zeros(plan.slots, dtype=torch.long), len(sizes) - plan.ranked
    for block in plan.blocks:
        assert block.start == row
        row = block.stop
        # To the next power of two, and no further.
        assert all(block.width // 2 < sizes[nth] <= block.width for nth in range(block.start, block.stop))
        assert block.width & (block.width - 1) == 0
        assert block.view(torch.arange(plan.slots))[:, 0].tolist() == plan.firsts[block.start : block.stop].tolist()
        block.view(seen).add_(1)
    assert row == len(sizes)
    assert torch.equal(seen, torch.ones_like(seen))
    assert plan.widest == max((block.width for block in plan.blocks), default=1)


@given(batches(), st.integers(0, 1000))
def test_a_plan_fits_its_labels_under_any_names(batch, seed):
    query_labels, labels, places, _ = batch
    plan = rank_plan(*batch)
    assert bool(plan_fits(plan, query_labels, labels, places is not None))
    everyone = torch.cat([query_labels, labels])
    dense = torch.stack([column.unique(return_inverse=True)[1] for column in everyone.t()], 1)
    others = renamed(dense, seed)
    assert bool(plan_fits(plan, others[: len(query_labels)], others[len(query_labels) :], places is not None))


@given(batches(), st.data())
def test_a_plan_fits_no_labels_of_another_structure(batch, data):
    query_labels, labels, places, _ = batch
    levels = labels.shape[1]
    classes = st.lists(st.integers(0, 2), min_size=len(labels), max_size=len(labels))
    others = levelled(torch.tensor(data.draw(classes)), levels)
    if places is not None:
        asked = others[places]
    else:
        asked = levelled(torch.tensor([data.draw(st.integers(0, 3)) for _ in query_labels]), levels)
    fits = bool(plan_fits(rank_plan(*batch), asked, others, places is not None))
    same = torch.equal(agreement(asked, others), agreement(query_labels, labels))
    assert same or not fits
    partitions = all(
        torch.equal(one[:, None] == one, other[:, None] == other)
        for one, other in zip(labels.t(), others.t(), strict=True)
    )
    assert fits == (same and partitions)
