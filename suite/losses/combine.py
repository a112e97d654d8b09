"""Weighted sums of losses, such as ROADMAP: (1 - w) Sup-AP + w calibration (Ramzi et al., NeurIPS 2021)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from suite.kernels.calling import Indices, check_integer, check_number, widened
from suite.losses.registry import centre_sizes, complete_settings, create_loss


class Preset(NamedTuple):
    """A published sum of a rank loss and a decomposability-gap loss L_DG.

    `weight` is that of L_DG; the rank loss has 1 - weight, or 1 if `rank_weight` says so. A rank loss that is
    `hierarchical` looks at all label levels at once and has no setting `level`.
    """

    rank_loss: str
    gap_loss: str
    weight: float
    rank_weight: float | None = None
    hierarchical: bool = False

    @property
    def has_centres(self) -> bool:
        """Whether it needs num_classes and embedding_dim."""
        return self.gap_loss == "proxy"


PRESETS: dict[str, Preset] = {
    "roadmap": Preset("supap", "calibration", 0.1),
    "roadmap_star": Preset("supap", "proxy", 0.1),
    "roadmap_original": Preset("supap", "calibration", 1.0, rank_weight=1.0),
    "suprecall_star": Preset("suprecall", "proxy", 0.5),
    "happier": Preset("suphap", "proxy", 0.1, hierarchical=True),
    "happier_star": Preset("suphap", "proxy", 0.1, hierarchical=True),
    "happier_f": Preset("suphap", "proxy", 0.5, hierarchical=True),
    "happier_f_star": Preset("suphap", "proxy", 0.5, hierarchical=True),
}
"""The published combinations by name; see `preset_terms`."""


def preset_terms(
    preset: str,
    weight: float | None = None,
    num_classes: int | None = None,
    embedding_dim: int | None = None,
    level: int | None = None,
) -> list[dict[str, Any]]:
    """The terms of a published combination, to be used or changed: `CombinedLoss(preset_terms("roadmap"))`.

    With w the weight of L_DG, which a star says to be the loss with proxies:
      - `roadmap`: (1 - w) Sup-AP + w calibration, w 0.1 (SupRank's code); `roadmap_original`: Sup-AP + w
        calibration, w 1 (ROADMAP's own code);
      - `roadmap_star`: (1 - w) Sup-AP + w proxies, w 0.1;
      - `suprecall_star`: (1 - w) Sup-R@k + w proxies, w 0.5;
      - `happier_star`: (1 - w) Sup-H-AP + w proxies, w 0.1; `happier_f_star`: the same, w 0.5 (as on SOP).
        HAPPIER has proxies from the start, there is no other form: `happier` and `happier_f` are these two.
    Every other setting of the losses keeps its default. (Ramzi et al., NeurIPS 2021, ECCV 2022, TPAMI 2025.)

    Args:
        preset: a name of `PRESETS`.
        weight: w instead of the published one; at most 1 where the rank loss has 1 - w.
        num_classes, embedding_dim: of the proxies; required with them, and refused without.
        level: label column of the losses that look at one; None: 0.

    Raises:
        ValueError: an unknown preset, with the nearest names, or an argument that does not go with it.
    """
    recipe = _recipe(preset)
    w = recipe.weight if weight is None else check_number("weight", weight, least=0.0)
    if recipe.rank_weight is None and w > 1.0:
        raise ValueError(f"weight: expected at most 1, since the rank loss of {preset} has 1 - weight; found {w:g}")
    at_level = {"level": 0 if level is None else check_integer("level", level, least=0)}
    centres = {"num_classes": num_classes, "embedding_dim": embedding_dim}
    for name, value in centres.items():
        if recipe.has_centres and value is None:
            raise ValueError(f"{name}: required, since {preset} has class centres")
        if not recipe.has_centres and value is not None:
            raise ValueError(f"{name}: {preset} has no class centres; leave it out, found {value!r}")
    rank = {"loss": recipe.rank_loss, "weight": 1.0 - w if recipe.rank_weight is None else recipe.rank_weight}
    gap = {"loss": recipe.gap_loss, "weight": w} | (centres if recipe.has_centres else {}) | at_level
    return [rank if recipe.hierarchical else rank | at_level, gap]


def _recipe(preset: Any) -> Preset:
    if not isinstance(preset, str) or preset not in PRESETS:
        near = difflib.get_close_matches(str(preset), PRESETS, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(PRESETS)}"
        raise ValueError(f"preset: unknown {preset!r}: {hint}")
    return PRESETS[preset]


class CombinedLoss(nn.Module):
    """L = sum over terms t of weight_t L_t.

    ROADMAP is (1 - w) L_SupAP + w L_DG, with the calibration loss as L_DG: two terms of weights 1 - w and w,
    or the preset `roadmap`. The centres of losses that have them are among its parameters.

    Args:
        terms: one mapping a loss: `loss`, its registered name, `weight`, at least 0, and the loss's own
            settings.
        preset: instead of `terms`, the name of a published combination, one of `PRESETS`.
        weight, num_classes, embedding_dim, level: of the preset, see `preset_terms`; with `terms` they stand
            in the terms.

    Raises:
        SuiteError: a term names no registered loss.
        ValueError: not one of terms and preset, no list of such mappings, or a loss's invalid setting; the
            message names term or setting.
    """

    def __init__(
        self,
        terms: Sequence[Mapping[str, Any]] | None = None,
        preset: str | None = None,
        weight: float | None = None,
        num_classes: int | None = None,
        embedding_dim: int | None = None,
        level: int | None = None,
    ):
        super().__init__()
        of_preset = {"weight": weight, "num_classes": num_classes, "embedding_dim": embedding_dim, "level": level}
        if (terms is None) == (preset is None):
            raise ValueError("terms: give either terms or a preset" + (", not both" if terms is not None else ""))
        if preset is not None:
            terms = preset_terms(preset, **of_preset)
        for name, value in of_preset.items():
            if preset is None and value is not None:
                raise ValueError(f"{name}: goes with a preset; set it in the terms, found {value!r}")
        if not isinstance(terms, list | tuple) or not terms:
            raise ValueError(f"terms: expected a list of {{loss, weight, settings}}, found {terms!r}")
        self.weights: list[float] = []
        self.losses = nn.ModuleList()
        for place, term in enumerate(terms):
            if not isinstance(term, Mapping) or not {"loss", "weight"} <= set(term):
                raise ValueError(f"terms[{place}]: expected a mapping with loss and weight, found {term!r}")
            settings = {key: value for key, value in term.items() if key not in ("loss", "weight")}
            self.weights.append(check_number(f"terms[{place}].weight", term["weight"], least=0.0))
            self.losses.append(create_loss(term["loss"], **settings))

    @staticmethod
    def parts(settings: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """The losses in the sum that these settings describe, each with its own."""
        if settings.get("preset") is not None:
            recipe = _recipe(settings["preset"])
            return [(recipe.rank_loss, {}), (recipe.gap_loss, {})]
        return [(term["loss"], term) for term in settings.get("terms") or []]

    @staticmethod
    def completed(settings: Mapping[str, Any], labels: Tensor, embedding_dim: int) -> dict[str, Any]:
        """The settings with the sizes of class centres filled in (`suite.losses.complete_settings`)."""
        known = {key: value for key, value in settings.items() if value is not None}
        if "preset" in known:
            sizes = centre_sizes(labels, known.get("level", 0), embedding_dim)
            return (sizes | known) if _recipe(known["preset"]).has_centres else known
        terms = known.get("terms")
        if not isinstance(terms, list | tuple) or not all(
            isinstance(term, Mapping) and "loss" in term for term in terms
        ):
            return known
        of_terms = [(term["loss"], {k: v for k, v in term.items() if k not in ("loss", "weight")}) for term in terms]
        completed = [complete_settings(loss, own, labels, embedding_dim) for loss, own in of_terms]
        return known | {"terms": [dict(term) | own for term, own in zip(terms, completed, strict=True)]}

    @property
    def takes_references(self) -> bool:
        """Whether every term can be given another gallery."""
        return all(getattr(loss, "takes_references", True) for loss in self.losses)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The weighted sum; arguments as in `RetrievalLoss.forward`, passed on to every loss.

        Raises:
            ValueError: what a term says of its arguments. One that takes no `ref_emb` or `indices_tuple`
                makes the sum take none: a gallery or a miner for some terms only would be another loss.
        """
        if ref_emb is not None and not self.takes_references:
            refusing = [type(loss).__name__ for loss in self.losses if not getattr(loss, "takes_references", True)]
            raise ValueError(f"ref_emb: {', '.join(refusing)} of the sum take no other gallery; leave it out")
        wide = widened(embeddings)
        gallery = wide if ref_emb is embeddings else widened(ref_emb)
        values = [loss(wide, labels, indices_tuple, gallery, ref_labels) for loss in self.losses]
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))

    def extra_repr(self) -> str:
        return f"weights={self.weights}"
