"""Lets torchvision be imported beside a CPU-only torch.

torchvision's wheel is compiled against CUDA builds of torch; on a CPU-only one its operators cannot be
loaded, and its Python part fails when it refers to two of them. Declaring their schemas is enough for
everything but detection, which nothing here uses.
"""

from __future__ import annotations

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# The declarations live as long as the object that made them.
_libraries: list[torch.library.Library] = []


def declare_torchvision_schemas() -> None:
    """Declare the operators that importing torchvision (so timm) asks for, if torch is CPU-only and they are
    missing.

    Call it before the first import of torchvision or timm; further calls do nothing.
    """
    if torch.version.cuda is not None or _libraries:
        return
    known = {schema.name for schema in torch._C._jit_get_all_schemas()}
    missing = [schema for schema in _SCHEMAS if f"torchvision::{schema.partition('(')[0]}" not in known]
    if missing:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in missing:
            library.define(schema)
        _libraries.append(library)
