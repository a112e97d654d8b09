"""The plan of a study: its numbers are those of the runs that are then trained, and it needs no data to be built."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from study_settings import loss_entry
from toy import toy_params, write_toy
from toy_images import CONVOLUTIONAL, FULL, toy_image_params, write_toy_images

from suite.benchmarking.memory import with_peak_memory
from suite.cli import main
from suite.config import Params
from suite.datasets.samplers import create_sampler
from suite.errors import SuiteError
from suite.full_settings import Full
from suite.losses import create_loss
from suite.models.network import create_network
from suite.planning.footprint import full_memory, loss_bytes, network_footprint
from suite.planning.plan import (
    Extent,
    Past,
    checkpoints_at_once,
    estimated_steps,
    extent,
    features_to_come,
    like_runs,
    plan_study,
    total,
)
from suite.planning.text import count, plan_lines, size
from suite.recipes.papers import recipe_params, write_recipe
from suite.training.optimization import full_optimization
from suite.training.protocols import RunTrainer
from suite.training.provenance import Provenance
from suite.training.stage import recorded_specifications
from suite.training.store import RunStore
from suite.training.two_pass import one_pass_backward, two_pass_backward

LOSSES = {"supap": loss_entry("supap", 16, 32, learning_rate=0.01, settings={"tau": 0.05})}


def head_params(seeds=(0, 1)) -> Params:
    return toy_params(seeds={"main": list(seeds), "scaling": [0]}, workers={"processes": 1}, losses=LOSSES)


def train(params: Params, root: Path) -> None:
    """Train and record every run of `supap` on the toy data in this process."""
    trainer, store = RunTrainer(root, params.workers), RunStore(root / "runs", "toy", "supap")
    provenance = Provenance(root, "toy", "supap")
    for spec in recorded_specifications(params, "toy", "supap", root):
        begun = time.time()
        trained = trainer.train(spec, lambda rows: None)
        provenance.record(spec, begun, time.time(), trained)
        store.record_finished(spec, trained)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    root = tmp_path_factory.mktemp("artifacts")
    write_toy(root)
    train(head_params(), root)
    return root


def test_steps_and_records_are_those_of_the_store(recorded):
    main_case, scaled = plan_study(head_params(), recorded)
    runs = [json.loads(path.read_text()) for path in (recorded / "runs" / "toy" / "supap").glob("*/run.json")]
    for case, number in ((main_case, 2), (scaled, 1)):
        alike = [run for run in runs if run["batch_size"] == case.batch_size]
        assert (case.runs, case.recorded, case.to_do, len(alike)) == (number, number, 0, number)
        assert {run["steps"] for run in alike} == {case.steps}
        assert case.images == case.steps * case.batch_size
        assert case.exact
    assert total([main_case, scaled]).to_do == 0
    assert any("all 3 runs are on record" in line for line in plan_lines(head_params(), recorded))


def test_a_recorded_run_takes_about_the_disk_that_was_told(recorded):
    for case in plan_study(head_params(), recorded):
        paths = (recorded / "runs" / "toy" / "supap").glob("*/run.json")
        (folder, *_) = [path.parent for path in paths if json.loads(path.read_text())["batch_size"] == case.batch_size]
        numbers = sum(path.stat().st_size for path in folder.iterdir() if path.suffix == ".parquet")
        # Headers of small tables weigh more than what they hold.
        assert case.run_disk < numbers + 100_000
        assert case.run_disk > case.parameters * 4


def test_time_comes_from_like_runs_on_record(recorded):
    known, new = plan_study(head_params(seeds=(0, 1, 2)), recorded), plan_study(toy_params(), recorded)
    assert (known[0].runs, known[0].recorded) == (3, 2)
    records = [json.loads(path.read_text()) for path in (recorded / "provenance" / "toy" / "supap").glob("*.json")]
    whole = [record["seconds"] for record in records if record["batch_size"] == 16]
    assert known[0].run_seconds == pytest.approx(np.median(whole), rel=1e-6)
    # A loss that was never trained is told from another of the same kind, at no other batch size.
    (contrastive,) = [case for case in new if case.loss == "contrastive"]
    assert contrastive.run_seconds == pytest.approx(known[0].run_seconds)
    sums = total(known)
    assert (sums.to_do, sums.timed, sums.counted) == (1, 1, 1)
    assert sums.seconds == pytest.approx(known[0].run_seconds)
    assert sums.steps == known[0].steps


def test_like_runs_are_of_the_same_loss_before_others():
    past = [Past("a", ("head", 8), 1.0, 2.0), Past("b", ("head", 8), 3.0, 4.0), Past("b", ("head", 16), 9.0, 9.0)]
    assert like_runs(past, "a", ("head", 8)) == (1.0, 2.0)
    assert like_runs(past, "c", ("head", 8)) == (2.0, 3.0)
    assert like_runs(past, "a", ("full", 8)) is None


def test_end_to_end_runs_are_planned_as_they_are_trained(tmp_path):
    write_toy_images(tmp_path)
    params = toy_image_params()
    (planned,) = plan_study(params, tmp_path)
    assert (planned.recorded, planned.to_do, planned.run_seconds) == (0, 1, None)
    train(params, tmp_path)
    (path,) = (tmp_path / "runs" / "toy" / "supap").glob("*/run.json")
    assert json.loads(path.read_text())["steps"] == planned.steps
    (again,) = plan_study(params, tmp_path)
    assert (again.recorded, again.run_seconds is not None) == (1, True)
    network = create_network(params.full_settings("toy").network, 0, 32)
    assert planned.parameters == sum(parameter.numel() for parameter in network.parameters())


@given(
    classes=st.integers(8, 40),
    images=st.integers(4, 12),
    groups=st.integers(2, 4),
    kind=st.sampled_from(["m_per_class", "hierarchical", "class_balanced"]),
)
def test_published_sizes_give_the_batches_of_the_sampler(classes, images, groups, kind):
    fine = np.repeat(np.arange(classes), images)
    labels = np.stack([fine, fine % groups], 1)
    settings = {"class_balanced": {"cap": 8}, "hierarchical": {"super_classes": 2, "batches_per_pair": 3}}.get(kind, {})
    found = Extent("published", len(labels), (classes, groups))
    sampler = create_sampler(kind, labels, 16, 4, 0, **settings)
    assert estimated_steps(kind, settings, 4, 16, found) == sampler.batches_per_epoch


def test_sizes_that_are_not_published_are_not_made_up():
    for kind in ("m_per_class", "hierarchical", "class_balanced"):
        assert estimated_steps(kind, {}, 4, 16, Extent("unknown")) is None
    assert estimated_steps("hierarchical", {}, 4, 16, Extent("published", 100, (10, None))) is None
    assert estimated_steps("hierarchical", {"super_level": 2}, 4, 16, Extent("published", 100, (10, 2))) is None


def test_a_recipe_is_planned_before_anything_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipe("suprank_sop", tmp_path / "params.yaml")
    result = CliRunner().invoke(main, ["plan", "-l", "roadmap_star"])
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 100
    # 12 super-classes are 66 pairs, 5 batches each, 100 epochs.
    row = next(line.split() for line in result.output.splitlines() if "roadmap_star" in line)
    assert row[:5] == ["roadmap_star", "full", "256", "0/3", "~33,000"]
    # The text wraps where the terminal ends.
    text = " ".join(result.output.split())
    assert "as published" in text
    assert "features to come" in text
    assert list(tmp_path.iterdir()) == [tmp_path / "params.yaml"]


def test_a_validation_share_is_taken_off_and_unpublished_sizes_are_unknown(tmp_path):
    sop = Params.model_validate(recipe_params("suprank_sop"))
    found = extent(sop, tmp_path, "sop")
    assert (found.train_images, found.classes) == (round(59_551 * 0.9), (round(11_318 * 0.9), 12))
    assert (found.images, found.queries, found.disk) == (120_053, 60_502, None)
    assert features_to_come(sop, tmp_path, "sop", found) == 120_053 * 1280 * 4
    unknown = extent(Params.model_validate(recipe_params("suprank_dyml_animal")), tmp_path, "dyml_animal")
    assert (unknown.source, unknown.train_images, unknown.classes) == ("unknown", None, (None,))


def test_what_cannot_be_trained_is_said_at_once(recorded, tmp_path):
    with pytest.raises(SuiteError, match="no data set 'none'"):
        plan_study(head_params(), recorded, ["none"])
    with pytest.raises(SuiteError, match="no loss 'none'"):
        plan_study(head_params(), recorded, None, ["none"])
    large = toy_params(main_batch_size=512, losses={"supap": loss_entry("supap", 512)})
    with pytest.raises(SuiteError, match=r"params.yaml: losses.supap: batch size 512 needs 128 classes"):
        plan_study(large, recorded)
    refused = toy_params(losses={"supap": loss_entry("supap", 16, settings={"tau": -1.0})})
    with pytest.raises(SuiteError, match=r"losses\.supap"):
        plan_study(refused, tmp_path)


@pytest.mark.parametrize(
    ("backbone", "precision", "chunk"),
    [
        ("efficientnet_lite0", "float32", None),
        ("efficientnet_lite0", "float32", 8),
        ("efficientnet_lite0", "bfloat16", 8),
        ("vit_tiny_patch16_224", "float32", 8),
        ("test_resnet", "float64", 8),
    ],
)
def test_memory_of_a_step_is_near_what_it_takes(backbone, precision, chunk):
    network = CONVOLUTIONAL | {"backbone": backbone, "drop_path": 0.0}
    full = Full.model_validate(
        FULL | {"network": network, "images": {"size": 64}, "precision": precision, "chunk_size": chunk}
    )
    dtype = torch.float64 if precision == "float64" else torch.float32
    model, loss = create_network(full.network, 0, 64).to(dtype), create_loss("supap")
    head, body = model.head_parameters(), model.backbone_parameters()
    optimization = full_optimization(full, body, head, [], 1e-4, 10, 10, torch.device("cpu"))
    images, labels = torch.zeros(24, 3, 64, 64, dtype=torch.uint8), torch.arange(24) // 4

    def embed(part):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return model(part)

    def step():
        optimization.zero_grad()
        if chunk is None:
            one_pass_backward(embed, images, lambda embeddings: loss(embeddings, labels))
        else:
            two_pass_backward(embed, lambda: images.split(chunk), lambda embeddings: loss(embeddings, labels))
        optimization.step()

    step()
    peak = with_peak_memory(step)[1]
    told = full_memory(full, len(images)).step
    # The work of a loss is an upper estimate, of some MB.
    assert 0.9 * peak <= told <= 1.25 * peak + loss_bytes(24, 8)


def test_memory_is_that_of_a_chunk_and_grows_with_centres():
    full = Full.model_validate(FULL | {"network": CONVOLUTIONAL, "precision": "float32", "chunk_size": 8})
    small, large = full_memory(full, 16), full_memory(full, 64)
    assert large.standing == small.standing
    assert large.step - small.step < network_footprint(full).per_image * 8
    whole = full_memory(full.model_copy(update={"chunk_size": None}), 64)
    assert whole.step > large.step + 40 * network_footprint(full).per_image
    # AdamW keeps two numbers beside each weight.
    assert full_memory(full, 16, centres=100).standing - small.standing == 100 * 8 * 3 * 4


def test_checkpoints_are_those_of_the_runs_at_once(tmp_path):
    write_toy_images(tmp_path)
    cases = plan_study(toy_image_params(), tmp_path)
    (case,) = cases
    assert checkpoints_at_once(cases, 8) == (1, case.checkpoint_disk)
    # Two of them; each the weights, the best ones so far, and two numbers a weight of AdamW, in float64.
    assert case.checkpoint_disk == 2 * 4 * 8 * case.parameters


def test_numbers_for_reading():
    assert [size(number) for number in (None, 0, 999, 1000, 12_345_678, 4e12)] == [
        "?",
        "0 B",
        "999 B",
        "1 kB",
        "12.3 MB",
        "4 TB",
    ]
    assert [count(number) for number in (None, 999_999, 1_000_000, 2.5e9)] == ["?", "999,999", "1.0 M", "2.5 G"]
