"""Files of a backbone's weights: read without running what they hold, and fitted to the network or refused."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from suite.errors import SuiteError

# Under these names training scripts keep the weights among other things.
_NESTED = ("state_dict", "model")
_SHOWN = 3


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors by name in a file of safetensors, or one that `torch.save` wrote, which is read with
    `weights_only=True`.

    Raises:
        SuiteError: there is no such file, or it holds anything else.
    """
    _check_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:120] or type(error).__name__
        raise SuiteError(f"{path}: not a readable file of weights ({reason}); save a plain state_dict") from None
    for name in _NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise SuiteError(f"{path}: holds no mapping of names to tensors; save a plain state_dict")
    return dict(found)


def weights_checksum(path: Path) -> str:
    """SHA-256 of a file of weights. Raises SuiteError if there is none."""
    _check_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], classifier: Sequence[str], path: Path) -> None:
    """Give `network`, which has no classifier, the weights read from `path`.

    Args:
        classifier: prefixes of the names of a classifier's weights, which are passed over.

    Raises:
        SuiteError: a tensor is missing, of another shape, or of no use.
    """
    wanted = network.state_dict()
    offered = {
        name: tensor
        for name, tensor in weights.items()
        if name in wanted or not name.startswith(tuple(f"{prefix}." for prefix in classifier))
    }
    # Files older than this counter lack it, and frozen or running averages do not depend on it.
    missing = [name for name in wanted if name not in offered and not name.endswith("num_batches_tracked")]
    unknown = [name for name in offered if name not in wanted]
    unlike = [
        f"{name} {tuple(offered[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in offered and offered[name].shape != tensor.shape
    ]
    faults = {"lacks": missing, "has what the backbone has not:": unknown, "has of another shape:": unlike}
    for what, names in faults.items():
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise SuiteError(f"{path}: {what} {', '.join(names[:_SHOWN])}{more}; give weights of this backbone")
    network.load_state_dict(offered, strict=False)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise SuiteError(f"{path}: no such file of weights; give its path, or `pretrained` or `none`")
