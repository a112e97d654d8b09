"""What one run is: everything that decides its result, and the fingerprint that names it."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from suite.config import PARAMS, Budget, Params, PlannedRun, TrainingProtocol
from suite.errors import SuiteError
from suite.losses import complete_settings, create_loss, loss_import_string, nested_losses

PACKAGES = ("suite", "baselines")
# Modules that only carry settings, names and messages. What they select (the values, the loss's module) stands in
# the fingerprint itself, so a new loss or setting leaves the runs of the others as they are.
BOOKKEEPING = frozenset(
    {
        "suite",
        "suite.config",
        "suite.errors",
        "suite.full_settings",
        "suite.files",
        "suite.registry",
        "suite.losses",
        "suite.losses.registry",
        "suite.setting_types",
        __name__,
    }
)


# The module that holds what a run of a protocol executes.
PROTOCOLS = {"head": "suite.training.head", "full": "suite.training.full"}


@dataclass(frozen=True)
class RunSpecification:
    """One run.

    `study`, `label` and `role` only say how the run is shown; all other fields, the data and the code decide
    its result and so its fingerprint. With `budget` `epochs` the run takes `epochs` rounds of the training images,
    with `steps` it takes `steps` updates, and the other of the two is None. `full` holds all settings of an
    end-to-end run (`suite.full_settings.Full`), from which the fields that both protocols have are taken; None for
    the protocol `head`.
    """

    study: str
    dataset: str
    name: str
    label: str
    role: str
    loss: str
    settings: dict[str, Any]
    budget: Budget
    batch_size: int
    learning_rate: float
    seed: int
    protocol: str
    backbone: str
    epochs: int | None
    steps: int | None
    samples_per_class: int
    embedding_dim: int
    weight_decay: float
    evaluations: int
    followed: bool
    test: bool
    data_digest: str
    code_digest: str
    full: dict[str, Any] | None = None

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of all that decides the result."""
        decisive = {
            key: value for key, value in dataclasses.asdict(self).items() if key not in ("study", "label", "role")
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    def parameters(self) -> dict[str, Any]:
        """A flat mapping of everything set, for tables and trackers."""
        fields = dataclasses.asdict(self)
        settings, full = fields.pop("settings"), fields.pop("full")
        return {**fields, **_flatten(settings, "loss_settings"), **({} if full is None else _flatten(full, "full"))}


def specify(params: Params, dataset: str, name: str, data_digest: str) -> list[RunSpecification]:
    """The runs that `params.yaml` asks of one data set and loss: equal epochs first, by batch size, then seed."""
    check_loss(params, name)
    return [specification(params, dataset, name, run, data_digest) for run in params.runs(dataset, name)]


def check_loss(params: Params, name: str) -> None:
    """Make the loss `name` once. Raises SuiteError naming the entry of `params.yaml` if its settings are refused."""
    loss = params.loss(name)
    try:
        # How many classes there are is known once the data is built; one stands for them here.
        one_class = torch.zeros(1, 1, dtype=torch.long)
        create_loss(loss.loss, **complete_settings(loss.loss, loss.settings, one_class, embedding_dim=1))
    except (SuiteError, ValueError, TypeError) as error:
        raise SuiteError(f"{PARAMS}: losses.{name}: {error}") from None


def specification(
    params: Params, dataset: str, name: str, run: PlannedRun, data_digest: str, test: bool = True
) -> RunSpecification:
    """One planned run of loss `name`; `test` False leaves the test classes unread (tuning)."""
    loss, by_epochs, protocol = params.loss(name), run.budget == "epochs", params.protocol(name)
    return RunSpecification(
        study=params.study,
        dataset=dataset,
        name=name,
        label=loss.label,
        role=run.role,
        loss=loss.loss,
        settings=loss.settings,
        budget=run.budget,
        batch_size=run.batch.batch_size,
        learning_rate=run.batch.learning_rate,
        seed=run.seed,
        protocol=protocol,
        steps=None if by_epochs else params.training.steps,
        followed=protocol == "head" and run.role == "main" and run.seed in params.seeds.followed,
        test=test,
        data_digest=data_digest,
        code_digest=run_code_digest(protocol, loss.loss, loss.settings),
        **_protocol_fields(params, dataset, protocol, by_epochs),
    )


def _protocol_fields(params: Params, dataset: str, protocol: TrainingProtocol, by_epochs: bool) -> dict[str, Any]:
    if protocol == "head":
        training = params.training
        return {
            "backbone": params.backbone.name,
            "epochs": training.epochs if by_epochs else None,
            "samples_per_class": training.samples_per_class,
            "embedding_dim": training.embedding_dim,
            "weight_decay": training.weight_decay,
            "evaluations": training.evaluations,
        }
    full = params.full_settings(dataset)
    return {
        "backbone": full.network.backbone,
        "epochs": full.epochs,
        "samples_per_class": full.sampling.samples_per_class,
        "embedding_dim": full.network.embedding_dim,
        "weight_decay": full.optimizer.weight_decay,
        "evaluations": full.evaluations,
        "full": full.model_dump(mode="json"),
    }


def run_code_digest(protocol: TrainingProtocol, loss: str, settings: dict[str, Any]) -> str:
    """SHA-256 of the code that a run of a protocol and loss executes, as it is on this machine now."""
    return code_digest(PROTOCOLS[protocol], loss, *sorted(nested_losses(loss, settings)))


@cache
def code_digest(protocol: str, *losses: str) -> str:
    """SHA-256 of the code a run with these losses executes: comments, docstrings and layout left out.

    Covers the module `protocol` and the modules of the losses, with all modules of the suite they import, directly or
    not.
    """
    roots = [protocol, *(loss_import_string(name).partition(":")[0] for name in losses)]
    digests = {
        module: hashlib.sha256(repr(_outline(tree)).encode()).hexdigest()
        for module, tree in imported_modules(roots, BOOKKEEPING).items()
    }
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def imported_modules(roots: list[str], skipped: frozenset[str] = frozenset()) -> dict[str, ast.Module]:
    """The modules of this project that `roots` import, directly or not, themselves included, as syntax trees.

    Docstrings are stripped. Modules in `skipped` are left out, and so is what only they import.
    """
    waiting, found = list(roots), {}
    while waiting:
        module = waiting.pop()
        if module not in found and module not in skipped:
            found[module] = _stripped(_source(module))
            waiting += _imports(found[module])
    return found


def _outline(node: Any) -> Any:
    """A syntax tree as nested tuples, without empty fields: newer versions of Python add some to every node."""
    if isinstance(node, ast.AST):
        fields = ((name, _outline(value)) for name, value in ast.iter_fields(node) if value not in (None, []))
        return (type(node).__name__, *fields)
    return [_outline(part) for part in node] if isinstance(node, list) else node


def _source(module: str) -> Path:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(module)
    return Path(found.origin)


def _stripped(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            node.body = body[1:]
    return tree


def _imports(tree: ast.Module) -> list[str]:
    """Modules of this project that a module imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {name for name in names if name.partition(".")[0] in PACKAGES}
    return sorted(name for name in ours if _is_module(name))


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _flatten(value: Any, prefix: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: leaf for name, part in value.items() for key, leaf in _flatten(part, f"{prefix}.{name}").items()}
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return {
            key: leaf for place, part in enumerate(value) for key, leaf in _flatten(part, f"{prefix}.{place}").items()
        }
    return {prefix: value}
