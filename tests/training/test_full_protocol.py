"""End-to-end runs: they learn, stop on NaN, keep checkpoints, and go on from them in the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from toy_images import CONVOLUTIONAL, FULL, toy_image_params, toy_image_run, write_toy_images

from suite.config import Workers
from suite.errors import SuiteError
from suite.training.checkpoints import Checkpoints, checkpoints_directory
from suite.training.data import evaluate
from suite.training.full import FullRun
from suite.training.loop import Place, fit
from suite.training.protocols import RunTrainer, check_batch_norm, load_run_data
from suite.training.specification import specify
from suite.training.stage import recorded_specifications, train_stage
from suite.training.store import RunStore

EAGER = Workers(processes=1, checkpoint_seconds=1e-6)


@pytest.fixture
def root(tmp_path):
    write_toy_images(tmp_path / "artifacts")
    return tmp_path / "artifacts"


def train(root, spec, checkpoints=None, **arguments):
    return fit(FullRun(spec, load_run_data(root, spec), **arguments), lambda rows: None, checkpoints)


def assert_same(one, other):
    assert one.metrics == other.metrics
    assert one.history.equals(other.history)
    assert one.queries.equals(other.queries)
    assert all(torch.equal(one.state[name], other.state[name]) for name in other.state)


def test_training_end_to_end_lifts_unseen_classes(root):
    spec = toy_image_run(root, epochs=8, evaluations=4, precision="float32", batch_size=12, learning_rate=0.002)
    trained = train(root, spec)
    curve = trained.history["val/level0/AP"].dropna().to_numpy()
    assert trained.metrics["val/level0/AP"] == curve.max() > 0.5
    assert trained.steps == len(trained.history) == 8 * round(30 / 12)
    assert list(trained.telemetry.columns) == ["step", "examples_per_second", "memory_bytes"]
    assert trained.telemetry["step"].tolist() == [4, 8, 12, 16]
    assert (trained.telemetry["memory_bytes"] > 1 << 20).all()
    assert set(trained.history.columns) >= {"loss", "learning_rate", "learning_rate_head", "gradient_norm"}
    np.testing.assert_allclose(trained.history["learning_rate_head"], 2 * trained.history["learning_rate"])


def test_a_stage_records_networks_that_give_the_metrics_again(root):
    params = toy_image_params()
    assert train_stage(params, "toy", "supap", root, None).trained == 1
    (spec,) = recorded_specifications(params, "toy", "supap", root)
    run = RunStore(root / "runs", "toy", "supap").get(spec)
    data = load_run_data(root, spec)
    assert evaluate(run.network(), data, "val")[0].items() <= run.metrics().items()
    assert run.record["parameters"]["full.network.backbone"] == "test_vit"
    assert not checkpoints_directory(root, "toy", "supap", spec.fingerprint).exists()
    provenance = json.loads((root / "provenance" / "toy" / "supap" / f"{spec.fingerprint}.json").read_text())
    assert provenance["telemetry"]["step"] == [2, 4]
    assert train_stage(params, "toy", "supap", root, None).trained == 0


@pytest.mark.parametrize("chunk_size", [None, 5])
def test_a_run_that_is_cut_off_anywhere_ends_in_the_same_bits(root, tmp_path, chunk_size):
    changes = {"loss": "xbm", "loss_settings": {"loss": "recall_at_k", "size": 20, "settings": {"ks": [1, 2]}}}
    network = CONVOLUTIONAL | {"freeze_batch_norm": False} if chunk_size is None else FULL["network"]
    schedule = {"kind": "step", "factor": 0.3, "epochs": [1]}
    spec = toy_image_run(
        root, chunk_size=chunk_size, epochs=3, network=network, schedule=schedule, frozen_epochs=1, **changes
    )
    whole = train(root, spec)
    for cut in range(1, whole.steps):
        checkpoints = Checkpoints(tmp_path / str(cut), seconds=0.0)
        run = FullRun(spec, load_run_data(root, spec))
        gradient, done = run.gradient, []

        def until_the_cut(place, batch, gradient=gradient, done=done, cut=cut):
            if len(done) == cut:
                raise KeyboardInterrupt
            done.append(place)
            return gradient(place, batch)

        run.gradient = until_the_cut
        with pytest.raises(KeyboardInterrupt):
            fit(run, lambda rows: None, checkpoints)
        assert len(list(checkpoints.directory.iterdir())) == min(cut, 2)
        torch.rand(7)
        told = []
        again = fit(FullRun(spec, load_run_data(root, spec)), told.extend, checkpoints)
        assert_same(again, whole)
        assert [row["step"] for row in told] == list(range(1, whole.steps + 1))


def test_a_damaged_checkpoint_gives_way_to_the_one_before(root, tmp_path, caplog):
    spec = toy_image_run(root)
    whole, checkpoints = train(root, spec), Checkpoints(tmp_path / "kept", seconds=0.0)
    train(root, spec, checkpoints)
    newest = sorted(checkpoints.directory.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    assert checkpoints.latest()["place"][0] == 2
    assert f"{newest}: cannot be read" in caplog.text
    # What a process left that was killed while it wrote.
    (checkpoints.directory / ".step-000000001.x.pt").write_bytes(b"half")
    assert_same(train(root, spec, checkpoints), whole)
    kept = sorted(path.name for path in checkpoints.directory.iterdir())
    assert kept == ["step-000000002.pt", "step-000000003.pt"]
    for path in checkpoints.directory.iterdir():
        path.write_bytes(b"")
    assert checkpoints.latest() is None


def test_a_loss_that_turns_nan_stops_the_run_in_that_step_and_names_the_batch(root, tmp_path):
    spec = toy_image_run(root, epochs=3, evaluations=3)
    checkpoints = Checkpoints(tmp_path / "kept", seconds=0.0)
    run = FullRun(spec, load_run_data(root, spec))
    forward, calls = run.loss.forward, []

    def turning(embeddings, labels):
        calls.append(len(embeddings))
        return forward(embeddings, labels) * (float("nan") if len(calls) == 4 else 1.0)

    run.loss.forward = turning
    with pytest.raises(FloatingPointError) as caught:
        fit(run, lambda rows: None, checkpoints)
    assert len(calls) == 4
    message = str(caught.value)
    assert message.startswith("the loss is nan at step 4, batch 1 of epoch 2 (rows [")
    assert str(checkpoints.directory) in message
    kept = checkpoints.latest()
    assert kept["place"][0] == 3
    assert all(bool(tensor.isfinite().all()) for tensor in kept["network"].values())
    assert all(torch.equal(run.network.state_dict()[name], tensor) for name, tensor in kept["network"].items())


def test_a_diverging_run_is_recorded_with_its_batch_and_the_rest_goes_on(root):
    params = toy_image_params(learning_rate=1e30)
    assert train_stage(params, "toy", "supap", root, None).failed == 1
    (spec,) = recorded_specifications(params, "toy", "supap", root)
    error = RunStore(root / "runs", "toy", "supap").get(spec).record["error"]
    assert "FloatingPointError" in error
    assert "rows [" in error
    assert "of items.parquet" in error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": FULL["network"] | {"backbone": "resnet51"}}, "resnet51"),
        ({"network": FULL["network"] | {"weights": "pretrained"}}, "test_vit"),
        ({"sampling": {"kind": "m_per_klass"}}, "unknown sampler 'm_per_klass': did you mean 'm_per_class'"),
        ({"sampling": {"settings": {"cap": 3}}}, "unknown setting 'cap'"),
        ({"batch_size": 64}, "batch size 64 needs 16 classes"),
    ],
)
def test_settings_that_cannot_work_end_with_one_line(root, changes, message):
    with pytest.raises(SuiteError, match=message):
        train_stage(toy_image_params(**changes), "toy", "supap", root, None)


def test_what_end_to_end_runs_are_made_of_decides_their_fingerprint(root):
    def fingerprint(**changes):
        return specify(toy_image_params(**changes), "toy", "supap", "digest")[0].fingerprint

    base = fingerprint()
    assert fingerprint() == base
    changed = [
        {"epochs": 3},
        {"chunk_size": 4},
        {"network": FULL["network"] | {"pooling": "max"}},
        {"images": {"size": 24}},
        {"optimizer": {"kind": "sgd", "momentum": 0.9}},
    ]
    assert len({base, *(fingerprint(**change) for change in changed)}) == 1 + len(changed)
    params = toy_image_params()
    other = params.model_copy(update={"workers": Workers(processes=4, loaders=3, checkpoint_seconds=1.0)})
    assert specify(other, "toy", "supap", "digest")[0].fingerprint == base


@pytest.mark.slow
def test_a_killed_process_goes_on_from_its_checkpoint(root, tmp_path):
    script = tmp_path / "drive.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom suite.training.stage import train_stage\n"
        "from suite.config import Workers\nfrom toy_images import toy_image_params\n"
        "if __name__ == '__main__':\n"
        "    params = toy_image_params(epochs=40, evaluations=2)\n"
        "    workers = Workers(processes=1, checkpoint_seconds=0.05)\n"
        "    train_stage(params.model_copy(update={'workers': workers}), 'toy', 'supap', Path(sys.argv[1]), None)\n"
    )
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join([str(tests.parent), str(tests), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": paths}
    first = subprocess.Popen([sys.executable, str(script), str(root)], env=environment)
    deadline = time.monotonic() + 120
    while not list((root / "checkpoints").rglob("step-*.pt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    cut = max(int(path.stem.removeprefix("step-")) for path in (root / "checkpoints").rglob("step-*.pt"))
    subprocess.run([sys.executable, str(script), str(root)], env=environment, check=True, timeout=300)
    (directory,) = (root / "runs" / "toy" / "supap").iterdir()
    history = pd.read_parquet(directory / "history.parquet")
    assert 0 < cut < len(history) == 80

    params = toy_image_params(epochs=40, evaluations=2)
    (spec,) = recorded_specifications(params, "toy", "supap", root)
    whole = RunTrainer(root, Workers(processes=1)).train(spec, lambda rows: None)
    assert whole.history.equals(history)
    assert whole.metrics == json.loads((directory / "metrics.json").read_text())


def test_the_backbone_is_frozen_for_the_first_epochs(root):
    spec = toy_image_run(root, epochs=2, frozen_epochs=1, chunk_size=5)
    run = FullRun(spec, load_run_data(root, spec))
    before = [parameter.clone() for parameter in run.network.backbone_parameters()]
    head = [parameter.clone() for parameter in run.network.head_parameters()]
    for place, batch in run.batches(Place(1, 1, 0), 3):
        run.optimization.zero_grad()
        run.gradient(place, batch)
        run.optimization.step()
        moved = [not torch.equal(*pair) for pair in zip(before, run.network.backbone_parameters(), strict=True)]
        assert any(moved) == (place.epoch == 2)
        assert any(not torch.equal(*pair) for pair in zip(head, run.network.head_parameters(), strict=True))


def test_class_centres_have_an_optimiser_of_their_own(root):
    centres = {"learning_rate": 10.0, "final": 0.1}
    spec = toy_image_run(root, loss="combine", loss_settings={"preset": "roadmap_star"}, centres=centres)
    run = FullRun(spec, load_run_data(root, spec))
    (weight,) = run.loss.parameters()
    # Six training classes out of eighteen.
    assert tuple(weight.shape) == (6, 8)
    trained = fit(run, lambda rows: None)
    rates = trained.history["learning_rate_centres"].to_numpy()
    total = trained.steps
    expected = 10.0 * (0.1 + 0.9 * (1 + np.cos(np.pi * np.arange(total) / total)) / 2)
    np.testing.assert_allclose(rates, expected)


def test_half_precision_with_a_scaler_passes_over_overflows_and_goes_on_from_a_checkpoint(root, tmp_path):
    spec = toy_image_run(root, precision="float16", epochs=3, evaluations=3, chunk_size=8, network=CONVOLUTIONAL)
    run = FullRun(spec, load_run_data(root, spec))
    before = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    # A scaler begins with the first loss that it scales.
    run.optimization.scale(torch.ones(()))
    scaled = run.optimization.scaler.get_scale()
    assert scaled > 1
    for parameter in run.optimization.measured:
        parameter.grad = torch.full_like(parameter, float("inf"))
    run.optimization.step()
    assert run.optimization.scaler.get_scale() < scaled
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.network.state_dict().items())

    whole, checkpoints = train(root, spec), Checkpoints(tmp_path / "kept", seconds=0.0)
    train(root, spec, checkpoints)
    assert_same(train(root, spec, checkpoints), whole)
    assert np.isfinite(whole.history["loss"]).all()


def test_gradients_are_clipped_to_a_norm(root):
    spec = toy_image_run(root, optimizer={"kind": "sgd", "clip_norm": 0.01}, schedule={"kind": "constant"})
    run = FullRun(spec, load_run_data(root, spec))
    before = [parameter.detach().clone() for parameter in run.optimization.measured]
    batches = run.batches(Place(1, 1, 0), 1)
    run.gradient(*next(batches))
    norm = run.optimization.step()
    assert norm > 0.01
    moved = [(one - other).flatten() for one, other in zip(run.optimization.measured, before, strict=True)]
    # The head moves at twice the rate of the backbone, so by less than twice the clipped norm.
    assert 0 < torch.cat(moved).norm() <= 2 * 0.01 * spec.learning_rate * 2


def test_batch_norm_that_trains_is_refused_in_chunks_and_over_ranks(root):
    network = CONVOLUTIONAL | {"freeze_batch_norm": False}
    with pytest.raises(SuiteError, match=r"freeze_batch_norm is false, but a batch of 16 .* in chunks of 8"):
        train_stage(toy_image_params(network=network, chunk_size=8), "toy", "supap", root, None)
    spec = toy_image_run(root, network=network)
    check_batch_norm(spec)
    with pytest.raises(SuiteError, match="in 2 ranks"):
        check_batch_norm(spec, 2)


def test_a_gradient_of_class_centres_that_is_nan_stops_the_run_before_anything_changes(root, tmp_path):
    spec = toy_image_run(root, loss="proxy", centres={"learning_rate": 1.0})
    run = FullRun(spec, load_run_data(root, spec))
    (weight,) = run.loss.parameters()
    before, gradient = weight.detach().clone(), run.gradient

    def spoilt(place, batch):
        value = gradient(place, batch)
        weight.grad[0, 0] = float("nan")
        return value

    run.gradient = spoilt
    checkpoints = Checkpoints(tmp_path / "none")
    with pytest.raises(FloatingPointError, match="gradient of the loss's own parameters is nan at step 1") as caught:
        fit(run, lambda rows: None, checkpoints)
    assert torch.equal(weight, before)
    assert "checkpoint" not in str(caught.value)
