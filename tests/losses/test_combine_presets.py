"""Published combinations by name, and sums of losses with centres."""

import pytest
import torch
from torch.nn.functional import normalize

from suite.losses import PRESETS, create_loss, preset_terms

CENTRES = {"num_classes": 5, "embedding_dim": 8}


def batch(rows=20, seed=0):
    points = torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(points, dim=1), torch.arange(rows) % 5


POINTS, LABELS = batch()


def terms(*pairs):
    return [{"loss": name, "weight": weight} | more for name, weight, more in pairs]


@pytest.mark.parametrize(
    ("preset", "settings", "parts"),
    [
        ("roadmap", {}, [("supap", 0.9, {}), ("calibration", 0.1, {})]),
        ("roadmap", {"weight": 0.3}, [("supap", 0.7, {}), ("calibration", 0.3, {})]),
        ("roadmap", {"weight": 0}, [("supap", 1.0, {}), ("calibration", 0.0, {})]),
        ("roadmap_original", {}, [("supap", 1.0, {}), ("calibration", 1.0, {})]),
        ("roadmap_original", {"weight": 2.5}, [("supap", 1.0, {}), ("calibration", 2.5, {})]),
        ("roadmap_star", CENTRES, [("supap", 0.9, {}), ("proxy", 0.1, CENTRES)]),
        ("suprecall_star", CENTRES, [("suprecall", 0.5, {}), ("proxy", 0.5, CENTRES)]),
        (
            "suprecall_star",
            {"level": 1, "weight": 0.25, **CENTRES},
            [("suprecall", 0.75, {"level": 1}), ("proxy", 0.25, CENTRES | {"level": 1})],
        ),
    ],
)
def test_a_preset_is_its_sum(preset, settings, parts):
    labels = torch.stack([LABELS, LABELS // 2], 1)
    loss, spelt_out = create_loss("combine", preset=preset, **settings), create_loss("combine", terms=terms(*parts))
    points = POINTS.clone().requires_grad_()
    value, expected = loss(points, labels), spelt_out(points, labels)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, points)[0], torch.autograd.grad(expected, points)[0])


@pytest.mark.parametrize(
    ("preset", "weight"), [("happier", 0.1), ("happier_star", 0.1), ("happier_f", 0.5), ("happier_f_star", 0.5)]
)
def test_happier_ranks_by_all_levels_and_has_proxies_at_one(preset, weight):
    assert preset_terms(preset, level=1, **CENTRES) == terms(
        ("suphap", 1 - weight, {}), ("proxy", weight, CENTRES | {"level": 1})
    )


def test_every_preset_has_terms_and_says_whether_it_needs_centres():
    for preset, recipe in PRESETS.items():
        rank, gap = preset_terms(preset, **(CENTRES if recipe.has_centres else {}))
        assert (rank["loss"], gap["loss"]) == (recipe.rank_loss, recipe.gap_loss)
        assert recipe.has_centres == (gap["loss"] == "proxy")
        assert recipe.has_centres or not preset.endswith("_star")


def test_the_terms_of_a_preset_can_be_changed():
    changed = preset_terms("roadmap")
    changed[0]["start"] = 0.0
    loss = create_loss("combine", terms=changed)
    assert loss.losses[0].start == 0.0
    assert preset_terms("roadmap")[0].get("start") is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "combine: terms: give either terms or a preset"),
        ({"preset": "roadmap", "terms": preset_terms("roadmap")}, "combine: terms: .* not both"),
        ({"preset": "roadmp"}, "combine: preset: unknown 'roadmp': did you mean 'roadmap'"),
        ({"preset": "happier_g_star"}, "combine: preset: unknown .* did you mean 'happier_f_star' or 'happier_star'"),
        ({"preset": "zzz"}, "combine: preset: unknown 'zzz': known: roadmap, roadmap_star"),
        ({"preset": ["roadmap"]}, r"combine: preset: unknown \['roadmap'\]"),
        ({"preset": "roadmap", "weight": 1.5}, "combine: weight: expected at most 1"),
        ({"preset": "roadmap", "weight": -0.1}, "combine: weight"),
        ({"preset": "roadmap_original", "weight": -0.1}, "combine: weight"),
        ({"preset": "roadmap_star", "embedding_dim": 8}, "combine: num_classes: required, since roadmap_star"),
        ({"preset": "roadmap_star", "num_classes": 8}, "combine: embedding_dim: required"),
        ({"preset": "roadmap_star", "num_classes": 0, "embedding_dim": 8}, "combine: proxy: num_classes"),
        ({"preset": "roadmap", "num_classes": 8}, "combine: num_classes: roadmap has no class centres"),
        ({"preset": "roadmap", "level": -1}, "combine: level"),
        ({"terms": preset_terms("roadmap"), "weight": 0.2}, "combine: weight: goes with a preset"),
        ({"terms": preset_terms("roadmap"), "level": 0}, "combine: level: goes with a preset"),
    ],
)
def test_invalid_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        create_loss("combine", **settings)


def test_the_centres_are_parameters_of_the_sum():
    loss = create_loss("combine", preset="roadmap_star", **CENTRES)
    assert [(name, tuple(value.shape)) for name, value in loss.named_parameters()] == [("losses.1.weight", (5, 8))]
    loss(POINTS, LABELS).backward()
    alone = create_loss("proxy", **CENTRES)
    (0.1 * alone(POINTS, LABELS)).backward()
    torch.testing.assert_close(loss.losses[1].weight.grad, alone.weight.grad)


def test_what_one_term_refuses_the_sum_refuses():
    starred, plain = create_loss("combine", preset="roadmap_star", **CENTRES), create_loss("combine", preset="roadmap")
    gallery = {"ref_emb": batch(seed=1)[0], "ref_labels": LABELS}
    with pytest.raises(ValueError, match="ref_emb: ProxyLoss of the sum take no other gallery"):
        starred(POINTS, LABELS, **gallery)
    assert bool(plain(POINTS, LABELS, **gallery) > 0)
    triplets = torch.tensor([0]), torch.tensor([5]), torch.tensor([1])
    with pytest.raises(ValueError, match="indices_tuple: SupAPLoss is defined on whole rankings"):
        plain(POINTS, LABELS, triplets)
    pairs = create_loss("combine", terms=terms(("triplet", 1.0, {}), ("calibration", 1.0, {})))
    expected = create_loss("triplet")(POINTS, LABELS, triplets) + create_loss("calibration")(POINTS, LABELS, triplets)
    torch.testing.assert_close(pairs(POINTS, LABELS, triplets), expected)
