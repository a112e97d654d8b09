"""The study overlays: what they add to `params.yaml`, what they leave as it was, and what the command says."""

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from suite.cli import main
from suite.config import load_params
from suite.errors import SuiteError
from suite.recipes.studies import apply_study, list_studies

PARAMS = Path(__file__).parents[2] / "params.yaml"
# Classes to train on; a batch holds four images of each class it draws.
TRAINING_CLASSES = {"emoji": 560, "landmarks_mini": 240}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(PARAMS, tmp_path / "params.yaml"))


def words(path):
    """Lines without the numbers of lists that a study extends."""
    return [line.split("[")[0] for line in path.read_text().splitlines() if "batch_size:" not in line]


def test_the_thorough_study_has_ten_sizes_or_more_that_the_data_can_fill():
    overlay = list_studies()["thorough"]
    for dataset, classes in TRAINING_CLASSES.items():
        sizes = overlay.training_sizes[dataset]
        assert len(sizes) >= 10
        assert all(size % 4 == 0 and size <= 4 * classes for size in sizes)
    default = load_params(PARAMS)
    assert set(overlay.seeds.main) > set(default.seeds.main)
    assert set(overlay.seeds.scaling) > set(default.seeds.scaling)
    assert overlay.partitions > default.measure.partitions


def test_every_scaled_loss_gets_the_sizes_and_the_rate_of_the_nearest(settings):
    before = load_params(settings)
    added = apply_study("thorough", settings)
    after, overlay = load_params(settings), list_studies()["thorough"]
    assert after.study == "thorough"
    assert after.seeds.followed == before.seeds.followed
    for dataset in before.datasets:
        assert set(after.measured_sizes(dataset)) == set(overlay.measuring_sizes[dataset])
        for loss in before.losses:
            for budget in ("epochs", "steps"):
                old = {batch.batch_size: batch.learning_rate for batch in before.batches(dataset, loss, budget)}
                new = {batch.batch_size: batch.learning_rate for batch in after.batches(dataset, loss, budget)}
                scaled = len(old) >= 3
                assert set(new) == ({*old, *overlay.training_sizes[dataset]} if scaled else set(old))
                assert {size: new[size] for size in old} == old
                assert {size for *key, size in added if key == [loss, dataset, budget]} == set(new) - set(old)
    rates = {batch.batch_size: batch.learning_rate for batch in after.batches("emoji", "smoothap")}
    old = {batch.batch_size: batch.learning_rate for batch in before.batches("emoji", "smoothap")}
    # Nearest by ratio: 384 lies between 256 and 512.
    assert rates[384] == old[512]
    assert rates[96] == old[128]


def test_comments_and_layout_stay(settings):
    before = words(settings)
    apply_study("thorough", settings)
    after = words(settings)
    lost = [line for line in before if line not in after]
    assert lost == ["study: default", "  partitions: 8"]
    assert [line for line in after if line not in before] == [
        "study: thorough",
        "    landmarks_mini: ",
        "  partitions: 32",
    ]
    assert "        - {batch_size: 64, learning_rate: 1.0e-3}\n" in settings.read_text()


def test_a_study_that_is_there_adds_nothing(settings):
    apply_study("thorough", settings)
    once = settings.read_text()
    assert apply_study("thorough", settings) == []
    assert settings.read_text() == once


def test_what_the_user_has_more_of_stays(settings):
    text = (
        settings.read_text().replace("partitions: 8", "partitions: 64").replace("scaling: [0, 1, 2]", "scaling: [7, 0]")
    )
    settings.write_text(text)
    apply_study("thorough", settings)
    params = load_params(settings)
    assert params.measure.partitions == 64
    assert params.seeds.scaling == [7, 0, 1, 2, 3, 4]


def test_a_data_set_served_by_the_default_list_gets_its_own(settings):
    raw = yaml.safe_load(settings.read_text())
    for loss in raw["losses"].values():
        loss["batches"] = {"default": [{"batch_size": size, "learning_rate": 0.01} for size in (32, 256, 512)]}
        loss.pop("equal_steps", None)
    del raw["datasets"]["landmarks_mini"]
    raw["measure"]["batch_sizes"] = {"default": [32]}
    settings.write_text(yaml.safe_dump(raw))
    apply_study("thorough", settings)
    after = yaml.safe_load(settings.read_text())
    assert [batch["batch_size"] for batch in after["losses"]["triplet"]["batches"]["default"]] == [32, 256, 512]
    assert len(after["losses"]["triplet"]["batches"]["emoji"]) == 12
    assert "landmarks_mini" not in after["losses"]["triplet"]["batches"]
    assert after["measure"]["batch_sizes"]["default"] == [32]


def test_settings_that_cannot_be_used_stay_as_they_were(settings):
    broken = settings.read_text() + "\nlosse: {}\n"
    settings.write_text(broken)
    with pytest.raises(SuiteError, match=r"unknown key 'losse'"):
        apply_study("thorough", settings)
    assert settings.read_text() == broken
    assert [path.name for path in settings.parent.iterdir()] == ["params.yaml"]


def test_the_command_lists_applies_and_says_what_to_do(settings):
    listed = CliRunner().invoke(main, ["study"])
    assert listed.output == f"thorough: {list_studies()['thorough'].summary}\n"
    applied = CliRunner().invoke(main, ["study", "thorough"])
    assert applied.exit_code == 0
    assert "search them with `ranksuite tune`, then `dvc repro`" in applied.output
    again = CliRunner().invoke(main, ["study", "thorough"])
    assert again.output == "params.yaml: study 'thorough', 0 batch sizes of 0 losses added\n"


@pytest.mark.parametrize("name", ["default", "throrough"])
def test_an_unknown_study_is_refused_with_the_way_back(settings, name):
    before = settings.read_text()
    result = CliRunner().invoke(main, ["study", name])
    assert result.exit_code == 1
    assert f"no study '{name}'; there are: thorough" in result.output
    assert "to go back, take params.yaml from version control" in result.output
    assert settings.read_text() == before
