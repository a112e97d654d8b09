from pathlib import Path

import pytest
import yaml
from study_settings import loss_entry, settings, study

from suite.config import Params, load_params, parse
from suite.errors import SuiteError
from suite.losses import create_loss

PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_the_default_study_is_what_the_readme_says():
    params = load_params(PARAMS)
    assert list(params.compared) == [
        "contrastive", "triplet", "fastap", "smoothap", "supap", "roadmap", "suprecall", "recall_at_k",
    ]  # fmt: skip
    others = {"roadmap_30", "roadmap_90", "recall_at_k_simix", "supap_full"}
    assert set(params.losses) - set(params.compared) == others
    assert [loss for loss in params.losses if params.protocol(loss) == "full"] == ["supap_full"]
    assert [(run.batch.batch_size, run.seed) for run in params.runs("emoji", "supap_full")] == [
        (128, n) for n in range(3)
    ]
    assert params.runs("landmarks_mini", "supap_full") == []
    assert params.main_batch_size == 256
    assert len(params.seeds.main) == 5
    assert len(params.seeds.scaling) == 3
    sizes = {"emoji": [32, 128, 256, 512, 1024, 2048], "landmarks_mini": [32, 64, 128, 256, 512, 960]}
    assert list(params.datasets) == list(sizes)
    for dataset in sizes:
        trained = {loss: [batch.batch_size for batch in params.batches(dataset, loss)] for loss in params.losses}
        scaled = {loss for loss, found in trained.items() if len(found) > 2}
        assert scaled == {"smoothap", "supap", "roadmap", "recall_at_k", "recall_at_k_simix"}
        assert all(trained[loss] == sizes[dataset] for loss in scaled)
        equal = {loss: [batch.batch_size for batch in params.batches(dataset, loss, "steps")] for loss in params.losses}
        studied = ("supap", "recall_at_k", "recall_at_k_simix") if dataset == "emoji" else ()
        assert {loss: found for loss, found in equal.items() if found} == dict.fromkeys(studied, sizes[dataset])
    assert params.measured_sizes("emoji") == [32, 128, 512, 2048]
    assert params.measured_sizes("landmarks_mini") == [32, 128, 512]
    for ablation in params.ablations.values():
        assert params.losses[next(iter(ablation.arms))].compared


def test_the_baseline_of_an_ablation_is_its_first_arm_wherever_it_stands():
    raw = yaml.safe_load(PARAMS.read_text())
    arms = raw["ablations"]["gap_loss"]["arms"]
    raw["ablations"]["gap_loss"]["arms"] = dict(reversed(arms.items()))
    assert next(iter(Params.model_validate(raw).ablations["gap_loss"].arms)) == "supap"


def test_runs_at_equal_steps_stand_beside_those_at_equal_epochs():
    params = load_params(PARAMS)
    runs = params.runs("emoji", "supap")
    assert [run.budget for run in runs] == ["epochs"] * 20 + ["steps"] * 18
    assert {run.role for run in runs if run.batch.batch_size == 256} == {"main", "equal_steps"}
    assert [run.seed for run in runs if run.role == "main"] == params.seeds.main
    assert {run.seed for run in runs if run.role != "main"} == set(params.seeds.scaling)
    assert not params.batches("emoji", "triplet", "steps")


def test_every_loss_of_the_default_study_can_be_made():
    for loss in load_params(PARAMS).losses.values():
        assert callable(create_loss(loss.loss, **loss.settings))


def test_a_data_set_without_a_list_of_its_own_is_served_by_the_default():
    raw = yaml.safe_load(PARAMS.read_text())
    raw["datasets"]["sop"] = {"builder": "sop", "download": {}}
    params = Params.model_validate(raw)
    assert [batch.batch_size for batch in params.batches("sop", "supap")] == [256]
    assert params.measured_sizes("sop") == [32, 128, 512]
    del raw["losses"]["supap"]["batches"]["default"]
    with pytest.raises(ValueError, match=r"losses\.supap\.batches: neither 'sop' nor 'default' is there"):
        Params.model_validate(raw)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "main_batch_size:",
            "main_batch_sise:",
            "unknown key 'main_batch_sise': did you mean 'main_batch_size'?",
        ),
        ("  evaluations: ", "  evaluation: ", "training.evaluation"),
        ("epochs: ", "epochs: -", "training.epochs: Input should be greater than or equal to 1"),
        ("{batch_size: 32,", "{batch_size: 128,", "losses.smoothap: batches.emoji: batch sizes repeat"),
        (
            "main_batch_size: 256",
            "main_batch_size: 99",
            "main_batch_size 99 stands in no loss's batches for emoji: [32, 128,",
        ),
        (
            "      landmarks_mini:\n        - {",
            "      landmarks:\n        - {",
            "batches: no data set 'landmarks'; there are emoji,",
        ),
        ("main: [0, 1", "main: [1, 1", "seeds.main: values repeat"),
        ("followed: [0,", "followed: [9,", "seeds: followed: seed 9 is not among the main seeds"),
        ("  steps: 60\n", "", "losses.supap.equal_steps: training.steps does not say how many steps a run takes"),
        (
            "roadmap: 0.1,",
            "roadmop: 0.1,",
            "ablations.gap_loss.arms: no loss 'roadmop'; there are: contrastive",
        ),
        ("scaling: [0, 1, 2]", "scaling: [7, 8]", "seeds: scaling: none of [7, 8] is among the main seeds"),
        ("main_sampler: m4", "main_sampler: m5", "measure: main_sampler: no sampler 'm5'; there are: m4, m2,"),
        ("metrics: [AP,", "metrics: [mAP,", "measure.metrics.0: String should match pattern"),
        (
            "batch_sizes: [128]}",
            "batch_sizes: [129]}",
            "measure: samplers.m2.batch_sizes: 129 is no batch of sampler 'm2'",
        ),
        (
            "default: [32, 128,",
            "default: [33, 128,",
            "measure: batch_sizes: 33 is no batch of sampler 'm4': a multiple of 4",
        ),
        ("{batch_size: 32,", "{batch_size: 33,", "losses.smoothap.batches.emoji: batch size 33 is not a multiple of"),
        ("learning_rate: 1.0e-3}", "learning_rate: .inf}", "learning_rate: Input should be a finite number"),
        ("partitions: 8", "partitions: true", "measure.partitions: Input should be a valid integer"),
        ("baseline: supap", "baseline: triplet", "ablations.gap_loss: baseline: no arm 'triplet'; there are: supap,"),
        ("roadmap: 0.1,", "roadmap: 0.0,", "ablations.gap_loss: arms: each needs a value of its own"),
        ("\n  triplet:\n", "\n  frozen:\n", "losses: 'frozen' is the name of a control"),
        (
            "{kind: random, batch",
            "{kind: random, samples_per_class: 4, batch",
            "a sampler of kind random takes no samples_per_class",
        ),
        (", super_classes: 2,", ",", "a sampler of kind hierarchical needs super_classes"),
        ("  epochs: 12", "  epochs: 12\n  epochs: 13", "key 'epochs' stands twice"),
        ("  contrastive:\n    loss", "  Contrastive-2:\n    loss", "losses.Contrastive-2"),
    ],
)
def test_a_mistake_is_one_line_naming_file_and_key(tmp_path, old, new, message):
    text = PARAMS.read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SuiteError) as caught:
        load_params(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_list_are_refused(tmp_path):
    with pytest.raises(SuiteError, match="not found"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- a\n- b\n")
    with pytest.raises(SuiteError, match="expected a mapping of settings, found list"):
        load_params(tmp_path / "params.yaml")


FULL = {"network": {"backbone": "resnet50"}, "images": {"size": 64}, "epochs": 4, "evaluations": 2}


@pytest.mark.parametrize(
    ("full", "message"),
    [
        ({}, "losses.contrastive: protocol full, but full has no settings for 'emoji'"),
        ({"emoji": FULL, "mars": FULL}, "full: no data set 'mars'"),
        ({"emoji": FULL | {"chunks": 3}}, r"full.emoji.chunks"),
        ({"emoji": FULL | {"frozen_epochs": 4}}, "frozen_epochs: 4 of 4 epochs leave none for the backbone"),
        ({"emoji": FULL | {"schedule": {"kind": "step"}}}, "a schedule of kind step needs factor and epochs"),
        (
            {"emoji": FULL | {"schedule": {"kind": "step", "factor": 0.3, "epochs": [4]}}},
            "schedule.epochs: 4 is not before the last epoch, 4",
        ),
        ({"emoji": FULL | {"optimizer": {"kind": "adam", "momentum": 0.9}}}, "adam takes neither"),
        ({"emoji": FULL | {"images": {"size": 64, "resize": 32}}}, "resize: 32 is smaller than size, 64"),
        ({"emoji": FULL | {"images": {"size": 64, "crop": {"scale": [0.9, 0.2]}}}}, "scale: 0.9 is above 0.2"),
        ({"default": FULL | {"sampling": {"samples_per_class": 5}}}, "32 is not a multiple of .*samples_per_class, 5"),
    ],
)
def test_settings_of_end_to_end_runs_are_checked_before_anything_starts(full, message):
    losses = {"contrastive": loss_entry("contrastive", 32, protocol="full")}
    with pytest.raises(SuiteError, match=message):
        parse(Params, settings(losses=losses, full=full), "params.yaml")


def test_a_loss_that_is_not_compared_is_trained_where_it_says():
    losses = {
        "contrastive": loss_entry("contrastive", 32),
        "whole": loss_entry("contrastive", 32, compared=False, protocol="full")
        | {"batches": {"emoji": [{"batch_size": 32, "learning_rate": 0.001}]}},
    }
    data = {name: {"builder": "emoji", "download": {}} for name in ("emoji", "other")}
    params = study(losses=losses, full={"emoji": FULL}, datasets=data)
    assert len(params.runs("emoji", "whole")) == 1
    assert params.runs("other", "whole") == []
