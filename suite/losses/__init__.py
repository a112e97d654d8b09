"""Rank losses for image retrieval, and what combines them: the public library.

`create_loss("supap", tau=0.01)` gives a module that is called as `loss(embeddings, labels)`.
"""

from suite.kernels.calling import RetrievalLoss
from suite.losses.average_precision import SupAPLoss
from suite.losses.calibration import CalibrationLoss
from suite.losses.combine import PRESETS, CombinedLoss, preset_terms
from suite.losses.hierarchical_ap import SmoothHAPLoss, SupHAPLoss
from suite.losses.ndcg import SmoothNDCGLoss, SupNDCGLoss
from suite.losses.proxy import ProxyLoss
from suite.losses.recall import RecallAtKLoss, SmoothRecallLoss, SupRecallLoss
from suite.losses.registry import complete_settings, create_loss, list_losses, loss_import_string, nested_losses
from suite.losses.simix import mix_positive_pairs

__all__ = [
    "PRESETS",
    "CalibrationLoss",
    "CombinedLoss",
    "ProxyLoss",
    "RecallAtKLoss",
    "RetrievalLoss",
    "SmoothHAPLoss",
    "SmoothNDCGLoss",
    "SmoothRecallLoss",
    "SupAPLoss",
    "SupHAPLoss",
    "SupNDCGLoss",
    "SupRecallLoss",
    "complete_settings",
    "create_loss",
    "list_losses",
    "loss_import_string",
    "mix_positive_pairs",
    "nested_losses",
    "preset_terms",
]
