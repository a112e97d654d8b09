"""What a study trains, in the words of captions: heads on frozen features, whole networks, or both."""

from __future__ import annotations

from collections.abc import Iterable

from suite.config import Params

_WORDS = {"head": "heads", "full": "networks"}


def what(params: Params, losses: Iterable[str]) -> str:
    """`heads`, `networks` or `heads and networks`: what some losses of the settings train."""
    protocols = {params.protocol(loss) for loss in losses}
    return " and ".join(word for protocol, word in _WORDS.items() if protocol in protocols)


def trained(params: Params) -> str:
    """`heads trained at batch 256`: what the compared losses train, and their main batch size."""
    return f"{what(params, params.compared)} trained at batch {params.main_batch_size}"
