"""The network of each data set that is best on validation, as a registered model of MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from suite.config import NETWORK_FILES, Params
from suite.errors import SuiteError
from suite.tracking.record import Record, images_seen, main_runs

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

    from suite.tracking.experiment import Experiment

ALIAS = "best"
# What runs and heads are chosen by.
CHOSEN_BY = "val/level0/AP"


def best_record(params: Params, records: Iterable[Record]) -> Record | None:
    """The run, of those that the leaderboard compares, that is best on validation; None if none has finished.

    Equal runs: the first by loss in `params.yaml`, then by seed.
    """
    order = list(params.compared)
    found = [one for one in main_runs(records) if one.run["loss"] in order and CHOSEN_BY in one.metrics]
    ranked = sorted(found, key=lambda one: (-one.metrics[CHOSEN_BY], order.index(one.run["loss"]), one.run["seed"]))
    return ranked[0] if ranked else None


def model_name(study: str, dataset: str) -> str:
    """The name under which a study's best network on a data set is registered."""
    return f"{study}-{dataset}"


def register(experiment: Experiment, record: Record, run_id: str) -> bool:
    """Have the registered model of the record's data set be its network, under the alias `best`.

    A version is made where the alias stands at another run, or at none.

    Args:
        experiment: of the study.
        record: the run that is best on validation.
        run_id: its run in the store.

    Returns:
        Whether a version was made.

    Raises:
        SuiteError: the network's file cannot be read.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    client, run = experiment.client, record.run
    name = model_name(experiment.study, run["dataset"])
    try:
        known = client.get_model_version_by_alias(name, ALIAS)
    except MlflowException:
        known = None
    if known is not None and (known.tags.get("fingerprint"), known.run_id) == (record.fingerprint, run_id):
        return False
    tags = {key: str(run[key]) for key in ("study", "dataset", "loss", "label", "batch_size", "seed", "protocol")}
    tags["fingerprint"] = record.fingerprint
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        _save(record, folder)
        logged = client.create_logged_model(experiment.id, name, run_id, tags, {}, "retrieval")
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, images_seen(run["steps"], run["batch_size"]))])
    if not client.search_registered_models(f"name = '{name}'"):
        about = f"Best run of the study '{experiment.study}' on {run['dataset']} by {CHOSEN_BY}: alias '{ALIAS}'."
        client.create_registered_model(name, description=about)
    made = client.create_model_version(name, logged.artifact_location, run_id, tags, model_id=logged.model_id)
    client.set_registered_model_alias(name, ALIAS, made.version)
    return True


def _save(record: Record, folder: Path) -> None:
    from mlflow import pyfunc

    path = next(path for path in record.files if path.name == NETWORK_FILES[record.run["protocol"]])
    config: dict[str, Any] = {"protocol": record.run["protocol"]}
    if record.run["protocol"] == "full":
        full = _nested(record.run["parameters"], "full.")
        config |= {"network": full["network"], "image_size": full["images"]["size"]}
    signature = _signature(path, config)
    with warnings.catch_warnings():
        # The signature is of the file, so MLflow's wish for an example to infer it from is beside the point.
        warnings.filterwarnings("ignore", ".*input example", UserWarning)
        pyfunc.save_model(
            folder,
            python_model=str(Path(__file__).with_name("registered.py")),
            artifacts={"network": str(path.resolve())},
            model_config=config,
            signature=signature,
            # Named rather than inferred: MLflow would load the model in another process to find out.
            pip_requirements=[f"ranksuite=={version('ranksuite')}"],
        )


def _signature(path: Path, config: Mapping[str, Any]) -> ModelSignature:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    try:
        with safe_open(path, framework="numpy") as tensors:
            dim, width = tensors.get_slice("projection.weight").get_shape()
    except Exception as error:
        raise SuiteError(f"{path}: not a readable network ({error}); delete the run and train it again") from None
    size = config.get("image_size")
    # Without names: the model would be given a mapping of them.
    if config["protocol"] == "head":
        taken = TensorSpec(np.dtype(np.float32), (-1, width))
    else:
        taken = TensorSpec(np.dtype(np.uint8), (-1, 3, size, size))
    given = TensorSpec(np.dtype(np.float32), (-1, dim))
    return ModelSignature(inputs=Schema([taken]), outputs=Schema([given]))


def _nested(flat: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The mapping whose flattened keys begin with `prefix`."""
    whole: dict[str, Any] = {}
    for key, value in flat.items():
        if key.startswith(prefix):
            *parents, last = key.removeprefix(prefix).split(".")
            place = whole
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
    return whole
