"""The model that MLflow loads: embeddings of features or of images, by the network of a recorded run.

MLflow keeps this file beside the network and runs it when the model is loaded, so nothing is unpickled; the suite must
be installed there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from suite.full_settings import Network
from suite.models.head import load_head


class RetrievalModel(PythonModel):
    """Unit embeddings by the network that a run chose on validation.

    Of the protocol `head` it takes backbone features, (n, width) float32, of the protocol `full` images,
    (n, 3, size, size) uint8, resized as for judging; it gives (n, D) float32.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the network, in evaluation mode, on the CPU."""
        path, config = Path(context.artifacts["network"]), context.model_config
        if config["protocol"] == "head":
            self._embed, self._chunk = load_head(path), None
            return
        # timm, which networks come from, is slow to import, and heads do without it.
        from suite.models.network import load_network
        from suite.training.image_data import JUDGED_CHUNK

        network = load_network(path, Network.model_validate(config["network"]), config["image_size"])
        self._embed, self._chunk = network.embed, JUDGED_CHUNK

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """The embeddings, the same bits as the suite's own: images in the chunks in which it judges them."""
        with torch.no_grad():
            inputs = torch.from_numpy(np.ascontiguousarray(model_input))
            chunks = [inputs] if self._chunk is None else inputs.split(self._chunk)
            return torch.cat([self._embed(chunk).float() for chunk in chunks]).numpy()


set_model(RetrievalModel())
