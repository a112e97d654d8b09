"""XBM, a cross-batch memory around a loss (Wang, Zhang, Huang, Scott, CVPR 2020)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from suite.kernels.calling import Indices, check_integer, check_number, widened
from suite.losses.registry import complete_settings, create_loss


class XBMLoss(nn.Module):
    """loss(batch) + weight * loss(batch against a memory of the embeddings of previous batches).

    The memory holds the embeddings of the last training calls as they were then, without a graph, oldest
    first; with them a query meets more positives and negatives than a batch can hold. They go stale as the
    network moves on, which is slow after its first steps: hence `warm_up`.

    pytorch-metric-learning's CrossBatchMemory differs in that it
      - has the memory term alone, and enters the batch before it, with the pairs of an item and itself taken
        out by indices, so that only losses of pairs and triplets can be wrapped;
      - is told the dimension, and refuses a batch larger than the memory;
      - enters batches in evaluation mode, too;
      - keeps how far the memory is filled out of its state_dict, so that a resumed run starts with another
        memory.

    Args:
        loss: registered name of a loss that takes `ref_emb`.
        size: rows that the memory keeps. A batch with more leaves its last ones.
        weight: of the memory's term, at least 0.
        warm_up: training calls before the memory is used; it is filled from the first one on.
        settings: the settings of the wrapped loss.

    Attributes:
        memory: (rows, D) buffer, at most `size` rows, in float64 if the last batch was, else float32.
        memory_labels: (rows,) or (rows, levels) buffer.
        calls: training calls so far; part of the state_dict like the buffers, so that a resumed run goes on
            as if it had not been cut off.

    Raises:
        SuiteError: there is no loss of that name.
        ValueError: a setting that is none of the above, or a loss without a gallery, by its name.
    """

    takes_references = False

    @staticmethod
    def parts(settings: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """The wrapped loss with its own settings."""
        return [(settings["loss"], settings.get("settings") or {})]

    @staticmethod
    def completed(settings: Mapping[str, Any], labels: Tensor, embedding_dim: int) -> dict[str, Any]:
        """The settings with the sizes of class centres filled in (`suite.losses.complete_settings`)."""
        inner = complete_settings(settings["loss"], settings.get("settings") or {}, labels, embedding_dim)
        return dict(settings) | {"settings": inner}

    def __init__(
        self,
        loss: str,
        size: int,
        weight: float = 1.0,
        warm_up: int = 0,
        settings: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        if settings is not None and not isinstance(settings, Mapping):
            raise ValueError(f"settings: expected a mapping, found {settings!r}")
        self.size = check_integer("size", size, least=1)
        self.weight = check_number("weight", weight, least=0.0)
        self.warm_up = check_integer("warm_up", warm_up, least=0)
        self.loss = create_loss(loss, **(settings or {}))
        if not getattr(self.loss, "takes_references", True):
            raise ValueError(f"loss: {loss} takes no other gallery, so that a memory means nothing to it")
        self.calls = 0
        self.register_buffer("memory", torch.empty(0, 0))
        self.register_buffer("memory_labels", torch.empty(0, dtype=torch.long))

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The sum of both terms, a scalar with a graph; in training mode the batch then enters the memory.

        Args:
            embeddings, labels: as in `RetrievalLoss.forward`.
            indices_tuple, ref_emb, ref_labels: refused: pairs chosen within a batch do not reach the memory,
                and the memory is the other gallery.

        Raises:
            ValueError: an argument that is none of the above, with its name and shape.
        """
        given = {"indices_tuple": indices_tuple, "ref_emb": ref_emb, "ref_labels": ref_labels}
        for name, argument in given.items():
            if argument is not None:
                raise ValueError(f"{name}: XBMLoss compares all pairs of a batch and its memory; leave it out")
        embeddings = widened(embeddings)
        value = self.loss(embeddings, labels)
        if len(self.memory):
            self._check_fit(embeddings, labels)
            if self.weight and self.calls >= self.warm_up:
                value = value + self.weight * self._memory_term(embeddings, labels)
        if self.training:
            self._enter(embeddings, labels)
            self.calls += 1
        return value

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.calls)

    def set_extra_state(self, state: Any) -> None:
        self.calls = int(state)

    def extra_repr(self) -> str:
        return f"size={self.size}, weight={self.weight}, warm_up={self.warm_up}"

    def _memory_term(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        memory = {"ref_emb": self.memory, "ref_labels": self.memory_labels}
        level = getattr(self.loss, "level", 0)
        classes, held = (of if of.dim() == 1 else of[:, level] for of in (labels, self.memory_labels))
        if bool(torch.isin(classes.to(held), held).any()):
            return self.loss(embeddings, labels, **memory)
        with warnings.catch_warnings():
            # A young memory need not know any class of the batch: no mistake of the caller's.
            warnings.filterwarnings("ignore", message=".*no query of the batch has a positive")
            return self.loss(embeddings, labels, **memory)

    def _check_fit(self, embeddings: Tensor, labels: Tensor) -> None:
        """Whether a checked batch can stand beside the rows of the memory. Raises ValueError."""
        for name, given, held in (("embeddings", embeddings, self.memory), ("labels", labels, self.memory_labels)):
            if given.shape[1:] != held.shape[1:]:
                raise ValueError(
                    f"{name}: shape {tuple(given.shape)} does not fit the memory's, of shape {tuple(held.shape)}"
                )

    def _enter(self, embeddings: Tensor, labels: Tensor) -> None:
        rows = embeddings.detach()[-self.size :]
        # New tensors, never the old ones overwritten: the graph of this very call may hold them.
        self.memory = self._appended(self.memory, rows)
        self.memory_labels = self._appended(self.memory_labels, labels[-self.size :].long())

    def _appended(self, held: Tensor, rows: Tensor) -> Tensor:
        if not len(held):
            return rows.clone()
        surplus = max(0, len(held) + len(rows) - self.size)
        return torch.cat([held[surplus:].to(rows), rows])

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        # The saved memory may have another number of rows, or be of another dimension or number of levels.
        for name in ("memory", "memory_labels"):
            saved = state_dict.get(prefix + name)
            if saved is None:
                continue
            if len(saved) > self.size:
                errors.append(f"{prefix}{name}: {len(saved)} rows were saved, but size is {self.size}")
                saved = saved[-self.size :]
            setattr(self, name, torch.empty_like(saved, device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
