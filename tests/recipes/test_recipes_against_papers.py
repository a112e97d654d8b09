"""Every field of every recipe stands in docs/recipes.md, every row there has its recipe, and what is ours is marked."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from suite.datasets.registry import DATASETS
from suite.full_settings import Full
from suite.losses import list_losses
from suite.losses.combine import PRESETS
from suite.recipes.papers import Recipe, list_recipes, recipe_params
from suite.recipes.published import published_figures

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
RECIPES = list_recipes()
STEP_LOSSES = {name: recipe for name, recipe in RECIPES.items() if not name.startswith("recall_at_k")}
SURROGATES = {name: recipe for name, recipe in RECIPES.items() if name.startswith("recall_at_k")}
# The suite's own in all recipes, as the page's second section says.
ALWAYS_OURS = {"seeds", "settings.validation", "full.evaluations"}
# A cell is made of parts, each with the field that it shows.
Part = tuple[str, str]


def section(title: str) -> str:
    return re.split(r"\n## ", PAGE.split(f"\n## {title}\n")[1])[0]


def prose(title: str) -> str:
    return " ".join(line for line in section(title).splitlines() if not line.startswith("|"))


def rows(title: str) -> list[dict[str, str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def number(value: float) -> str:
    text = f"{value:.0e}" if 0 < value < 0.01 else f"{value:g}"
    return re.sub(r"e-0", "e-", text)


def span(values: Iterable[float]) -> str:
    return "-".join(number(value) for value in values)


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value and not prefix.endswith("settings"):
        return {
            key: leaf
            for name, part in value.items()
            for key, leaf in flat(part, f"{prefix}.{name}" if prefix else name).items()
        }
    return {prefix: value}


def optimiser(full: Full) -> list[Part]:
    one, at = full.optimizer, "full.optimizer."
    parts = [({"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}[one.kind], at + "kind")]
    parts += [(f"momentum {number(one.momentum)}", at + "momentum")] if one.momentum else []
    return parts + ([("Nesterov", at + "nesterov")] if one.nesterov else [])


SAMPLERS = {
    "m per class": ("m_per_class", {}),
    "pairs": ("hierarchical", {"super_classes": 2, "batches_per_pair": 5}),
    "at most 8": ("class_balanced", {"cap": 8}),
}


def sampler(full: Full) -> list[Part]:
    found = [
        text for text, (kind, own) in SAMPLERS.items() if (full.sampling.kind, full.sampling.settings) == (kind, own)
    ]
    return [(found[0] if found else str(full.sampling), "full.sampling.kind")]


def schedule(full: Full) -> list[Part]:
    minimum = f" to {number(full.schedule.minimum)}" if full.schedule.minimum else ""
    return [(full.schedule.kind + minimum, "full.schedule.kind")]


def centres(full: Full) -> list[Part]:
    own = full.centres
    text = "as the head" if own is None else f"{number(own.learning_rate)} to {number(own.learning_rate * own.final)}"
    return [(text, "full.centres")]


def head(full: Full) -> list[Part]:
    network, parts = full.network, []
    parts += [("LN", "full.network.layer_norm")] if network.layer_norm else []
    parts += [("whitening", "full.network.whitening")] if network.whitening else []
    return [*parts, (str(network.embedding_dim), "full.network.embedding_dim")]


TRAINING: dict[str, Callable[[Recipe], list[Part]]] = {
    "data": lambda r: [(r.dataset, "dataset")],
    "batch": lambda r: [(str(r.batch_size), "batch_size")],
    "sampler": lambda r: sampler(r.full),
    "optimiser": lambda r: optimiser(r.full),
    "rate": lambda r: [(number(r.learning_rate), "learning_rate")],
    "head": lambda r: [(number(r.full.optimizer.head_rate), "full.optimizer.head_rate")],
    "weight decay": lambda r: [(number(r.full.optimizer.weight_decay), "full.optimizer.weight_decay")],
    "epochs": lambda r: [(str(r.full.epochs), "full.epochs")],
    "frozen at first": lambda r: [(str(r.full.frozen_epochs), "full.frozen_epochs")],
    "schedule": lambda r: schedule(r.full),
    "centres": lambda r: centres(r.full),
}
NETWORK: dict[str, Callable[[Recipe], list[Part]]] = {
    "backbone": lambda r: [(r.full.network.backbone, "full.network.backbone")],
    "weights": lambda r: [(r.full.network.weights, "full.network.weights")],
    "pooling": lambda r: [(r.full.network.pooling, "full.network.pooling")],
    "head": lambda r: head(r.full),
    "embeddings": lambda r: [("normalised" if r.full.network.normalize else "as they are", "full.network.normalize")],
    "batch norm": lambda r: [
        ("frozen" if r.full.network.freeze_batch_norm else "trained", "full.network.freeze_batch_norm")
    ],
    "resize": lambda r: [(str(r.full.images.resize), "full.images.resize")],
    "crop": lambda r: [(str(r.full.images.size), "full.images.size")],
    "area": lambda r: [(span(r.full.images.crop.scale), "full.images.crop.scale")],
    "ratio": lambda r: [(span(r.full.images.crop.ratio), "full.images.crop.ratio")],
    "flip": lambda r: [("yes" if r.full.images.flip else "no", "full.images.flip")],
    "precision": lambda r: [(r.full.precision, "full.precision")],
}
SURROGATE: dict[str, Callable[[Recipe], list[Part]]] = {
    "data": TRAINING["data"],
    "network": lambda r: [
        (
            {"resnet50": "R50", "vit_base_patch32_224": "ViT-B/32", "vit_base_patch16_224": "ViT-B/16"}[
                r.full.network.backbone.partition(".")[0]
            ],
            "network",
        )
    ],
    "batch": TRAINING["batch"],
    "chunk": lambda r: [(str(r.full.chunk_size), "full.chunk_size")],
    "epochs": TRAINING["epochs"],
    "steps down after": lambda r: [(str(epoch), "full.schedule.epochs") for epoch in r.full.schedule.epochs],
    "rate": TRAINING["rate"],
}
# Fields that no table shows, with the one value they have.
ELSEWHERE = {
    "sampling.samples_per_class": 4,
    "network.dropout": 0.0,
    "network.drop_path": 0.0,
    "network.channels_last": True,
    "network.compile": False,
    "optimizer.clip_norm": None,
}


def is_ours(recipe: Recipe, key: str) -> bool:
    return any(key == known or key.startswith(f"{known}.") for known in recipe.assumed)


def shown(recipe: Recipe, parts: list[Part]) -> str:
    return ", ".join(text + "†" * is_ours(recipe, key) for text, key in parts)


@pytest.mark.parametrize(
    ("title", "recipes", "columns"),
    [
        ("SupRank and ROADMAP: training", STEP_LOSSES, TRAINING),
        ("SupRank and ROADMAP: network and images", STEP_LOSSES, NETWORK),
        ("RS@k", SURROGATES, SURROGATE),
    ],
)
def test_every_row_is_a_recipe_and_every_cell_its_field(title, recipes, columns):
    stated = {row.pop("recipe"): row for row in rows(title)}
    found = {
        name: {column: shown(recipe, of(recipe)) for column, of in columns.items()} for name, recipe in recipes.items()
    }
    assert stated == found


@pytest.mark.parametrize("name", STEP_LOSSES)
def test_tables_leave_no_field_out(name):
    recipe = STEP_LOSSES[name]
    fields = flat(recipe.full.model_dump(mode="json"))
    shown_fields = {key for columns in (TRAINING, NETWORK) for of in columns.values() for _, key in of(recipe)}
    covered = {key for key in fields if any(f"full.{key}".startswith(one) for one in shown_fields)}
    left = {key: value for key, value in fields.items() if key not in covered and f"full.{key}" not in ALWAYS_OURS}
    # What a table says by leaving it out: no momentum, no layer norm, no whitening, one pass; and what a cell says
    # together with another field.
    absent = {
        "sampling.settings": recipe.full.sampling.settings,
        "network.layer_norm": False,
        "network.whitening": False,
        "optimizer.momentum": 0.0,
        "optimizer.nesterov": False,
        "schedule.factor": None,
        "schedule.epochs": [],
        "schedule.minimum": recipe.full.schedule.minimum,
        "chunk_size": None,
    }
    assert left == {key: value for key, value in (ELSEWHERE | absent).items() if key not in covered}
    assert set(recipe.assumed) - ALWAYS_OURS - set(loss_assumptions(recipe)) <= {
        known for known in recipe.assumed for key in shown_fields if key == known or key.startswith(f"{known}.")
    }


def loss_assumptions(recipe: Recipe) -> list[str]:
    return [key for key in recipe.assumed if key.startswith("losses.") or key == "rank_settings"]


@pytest.mark.parametrize("name", SURROGATES)
def test_what_all_recall_recipes_share_stands_in_the_text(name):
    recipe, text = SURROGATES[name], prose("RS@k")
    full, network = recipe.full, recipe.full.network
    transformer = "vit" in network.backbone
    suprank = RECIPES["suprank_sop"].full
    assert f"Batches hold {full.sampling.samples_per_class} images a class" in text
    assert f"Weight decay {number(full.optimizer.weight_decay)}, the rate times {number(full.schedule.factor)}" in text
    assert "Adam for ResNet-50, AdamW for ViTs" in text
    assert full.optimizer.kind == ("adamw" if transformer else "adam")
    assert f"{network.embedding_dim}-d embeddings, batch norm frozen" in text
    assert f"`{network.backbone}`" in text
    assert "(average; the class token of ViTs), the layer norm, one rate for head and backbone, float16" in text
    assert (network.pooling, network.layer_norm, full.precision) == (
        "token" if transformer else "average",
        True,
        "float16",
    )
    assert full.images == suprank.images
    repeated = {"repeat_classes": True} if recipe.dataset in ("cars196", "cub200") else {}
    assert ("`repeat_classes`†" in text, full.sampling.settings) == (True, repeated)
    assert full == Full.model_validate(
        {
            "network": {
                "backbone": network.backbone,
                "pooling": network.pooling,
                "layer_norm": True,
                "embedding_dim": 512,
                "freeze_batch_norm": True,
            },
            "images": suprank.images,
            "sampling": {"kind": "m_per_class", "samples_per_class": 4, "settings": repeated},
            "epochs": full.epochs,
            "evaluations": full.evaluations,
            "chunk_size": full.chunk_size,
            "precision": "float16",
            "optimizer": {"kind": full.optimizer.kind, "weight_decay": 4e-4, "head_rate": 1.0},
            "schedule": {"kind": "step", "factor": 0.3, "epochs": full.schedule.epochs},
        }
    )
    ours = {"backbone", "pooling", "layer_norm"}
    assert set(recipe.assumed) - ALWAYS_OURS == {
        *(f"full.network.{key}" for key in ours),
        "full.images",
        "full.precision",
        "full.optimizer.head_rate",
        *(["full.sampling.settings"] if repeated else []),
    }
    assert recipe.rank_settings == {
        "tau": 0.01,
        "ks": [1, 2, 4, 8, 16],
        "k_temperature": 1.0,
        "self_match": "rank_only",
    }
    assert {key: (loss.rank, loss.rank_settings, loss.gap) for key, loss in recipe.losses.items()} == {
        "recall_at_k": ("recall_at_k", {}, None),
        "recall_at_k_simix": ("recall_at_k", {"simix": True}, None),
    }


def test_every_loss_is_a_row_with_its_weights_in_the_recipes_it_names():
    stated = {row["loss"]: row for row in rows("SupRank and ROADMAP: losses")}
    suprank = [name for name in STEP_LOSSES if name.startswith("suprank")]
    named = {
        "all of SupRank": suprank,
        "of SupRank those with more levels than one: all but suprank_cub, suprank_gldv2": [
            name for name in suprank if name not in ("suprank_cub", "suprank_gldv2")
        ],
    }
    in_recipes: dict[str, set[str]] = {}
    for name, recipe in STEP_LOSSES.items():
        for key, loss in recipe.losses.items():
            in_recipes.setdefault(key, set()).add(name)
            row = stated[key]
            settings = loss.entry({})["settings"]
            weights = [term["weight"] for term in settings.get("terms", [{"weight": 1.0}, {"weight": 0.0}])]
            assert (row["label"], row["rank loss"], row["L_DG"]) == (loss.label, loss.rank, loss.gap or "none")
            assert weights == [float(row["its weight"]), float(row["weight of L_DG"])]
    assert {
        key: set(named.get(row["recipes"], row["recipes"].split(", "))) for key, row in stated.items()
    } == in_recipes
    assert set(in_recipes) == set(stated)


@pytest.mark.parametrize("name", STEP_LOSSES)
def test_settings_of_the_losses_stand_in_the_text(name):
    recipe, text = STEP_LOSSES[name], prose("SupRank and ROADMAP: losses")
    found = re.search(r"tau ([\d.]+), rho ([\d.]+), delta ([\d.]+), start ([\d.]+), offset ([\d.]+);", text)
    step = dict(zip(("tau", "rho", "delta", "start", "offset"), map(float, found.groups()), strict=True))
    if recipe.dataset == "inaturalist":
        start, offset = re.search(r"on iNaturalist start ([\d.]+), offset ([\d.]+)\.", text).groups()
        step |= {"start": float(start), "offset": float(offset)}
    assert "The query counts as one of its positives." in text
    assert recipe.rank_settings == step | {"self_match": "positive"}
    assert is_ours(recipe, "rank_settings") == name.startswith("roadmap")
    own = {
        "suprecall": {"ks": [1, 2, 4, 8, 16], "k_temperature": 1.0},
        "suphap": {"alpha": 1.0},
        "calibration": {"pos_margin": 0.9, "neg_margin": 0.6},
        "proxy": {"temperature": 0.05},
    }
    assert "ks 1, 2, 4, 8, 16 and temperature 1 at k" in text
    assert "the pairwise L_DG margins 0.9 and 0.6, the proxies temperature 0.05. HAPPIER's alpha is 1†." in text
    for key, loss in recipe.losses.items():
        assert loss.rank_settings == own.get(loss.rank, {})
        assert loss.gap_settings == own.get(loss.gap, {})
        assert is_ours(recipe, f"losses.{key}.rank_settings.alpha") == (loss.rank == "suphap")


@pytest.mark.parametrize("name", STEP_LOSSES)
def test_sums_are_the_presets_of_the_library(name):
    for key, loss in STEP_LOSSES[name].losses.items():
        if loss.gap is None:
            assert key == loss.rank
            continue
        preset = PRESETS[key]
        of_rank = 1.0 - preset.weight if preset.rank_weight is None else preset.rank_weight
        terms = loss.entry({})["settings"]["terms"]
        assert [(term["loss"], term["weight"]) for term in terms] == [
            (preset.rank_loss, of_rank),
            (preset.gap_loss, preset.weight),
        ]


def test_validation_is_what_the_page_says():
    share = {name: recipe.settings["validation"] for name, recipe in RECIPES.items()}
    assert "(a tenth; of GLDv2 and H-GLDv2 a fiftieth)" in " ".join(PAGE.split())
    assert share == {name: 0.02 if name in ("suprank_gldv2", "suprank_h_gldv2") else 0.1 for name in RECIPES}
    assert all(set(recipe.assumed) >= ALWAYS_OURS for recipe in RECIPES.values())
    assert all(len(recipe_params(name)["seeds"]["main"]) == 3 for name in RECIPES)


def test_published_figures_are_those_of_the_page():
    sources = {"smoothap": "[Smooth-AP]", "happier": "[HAPPIER]", "roadmap": "[ROADMAP]", "rsk": "[RS@k]"}
    found = [
        {
            "method": figure.method,
            "data": f"{figure.dataset} {figure.protocol}".strip(),
            "metric": figure.title,
            "figure": f"{figure.value:.1f}",
            "backbone": figure.backbone,
            "source": sources[figure.source],
            "recipe": figure.recipe or "–",
        }
        for figure in published_figures()
    ]
    assert rows("Published figures") == found
    assert all(source in PAGE.split("\n## ")[0] for source in sources.values())


def test_published_figures_with_a_recipe_are_of_its_data_and_of_a_loss_it_trains():
    for figure in published_figures():
        if figure.recipe:
            recipe = RECIPES[figure.recipe]
            trained = {"+".join(filter(None, (loss.rank, loss.gap))) for loss in recipe.losses.values()}
            assert (figure.dataset, figure.loss in trained) == (recipe.dataset, True)
        assert figure.dataset in DATASETS.names()
        assert set(figure.loss.split("+")) <= set(list_losses())
