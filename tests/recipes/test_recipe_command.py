"""`ranksuite recipe`: what it lists, writes, and refuses to overwrite; every recipe can be trained as written."""

import subprocess

import numpy as np
import pytest
from click.testing import CliRunner

from suite.cli import main
from suite.config import load_params
from suite.datasets.registry import DATASETS
from suite.datasets.samplers import create_sampler
from suite.errors import SuiteError
from suite.recipes.papers import list_recipes, load_recipe, recipe_text, write_recipe
from suite.training.specification import check_loss

RECIPES = list_recipes()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder under version control, with its params.yaml committed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("study: mine\n")
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "--quiet"], ["add", "params.yaml"], [*identity, "commit", "--quiet", "-m", "settings"]):
        subprocess.run(["git", *command], check=True)
    return tmp_path


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_study_whose_losses_can_be_made(name, tmp_path):
    path, recipe = tmp_path / "params.yaml", load_recipe(name)
    write_recipe(name, path)
    params = load_params(path)
    assert params.study == name
    assert params.full_settings(recipe.dataset) == recipe.full
    assert list(params.losses) == list(recipe.losses)
    for loss in params.losses:
        check_loss(params, loss)
        assert params.protocol(loss) == "full"
        assert {(run.batch.batch_size, run.batch.learning_rate) for run in params.runs(recipe.dataset, loss)} == {
            (recipe.batch_size, recipe.learning_rate)
        }
    builder = DATASETS.resolve(params.dataset(recipe.dataset).builder)
    builder.Download.model_validate(params.dataset(recipe.dataset).download)
    builder.Settings.model_validate(params.dataset(recipe.dataset).settings)
    assert all(f"#   {key}: " in path.read_text() for key in recipe.assumed)


@pytest.mark.parametrize(("name", "classes"), [("recall_at_k_cub_r50", 90), ("recall_at_k_cars196_r50", 88)])
def test_a_batch_of_all_classes_is_filled_although_some_are_held_out(name, classes):
    recipe = load_recipe(name)
    labels = np.repeat(np.arange(classes), 60)
    sampling = recipe.full.sampling
    sampler = create_sampler(sampling.kind, labels, recipe.batch_size, 4, 0, **sampling.settings)
    batches = list(sampler.epoch(1))
    assert {len(batch) for batch in batches} == {recipe.batch_size}
    for batch in batches:
        assert set(np.bincount(labels[batch], minlength=classes)) == {4, 8}
    more = [np.flatnonzero(np.bincount(labels[batch]) == 8) for batch in batches]
    assert not np.array_equal(more[0], more[1])


def test_without_a_name_they_are_listed_within_a_hundred_columns(project):
    lines = CliRunner().invoke(main, ["recipe"]).output.splitlines()
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines[1 : 1 + len(RECIPES)]] == list(RECIPES)
    assert lines[0].split() == ["recipe", "data", "set", "network", "batch", "chunk", "epochs", "losses"]


def test_committed_settings_and_recipes_as_written_are_replaced(project):
    path = project / "params.yaml"
    for name in ("suprank_sop", "recall_at_k_cub_r50"):
        assert CliRunner().invoke(main, ["recipe", name]).exit_code == 0
        assert path.read_text() == recipe_text(name)


@pytest.mark.parametrize("before", ["study: mine\nseeds: changed\n", "study: suprank_sop\n", "\udce9"])
def test_changes_that_stand_nowhere_else_are_kept_unless_forced(project, before):
    path = project / "params.yaml"
    path.write_bytes(before.encode("utf-8", "surrogateescape"))
    refused = CliRunner().invoke(main, ["recipe", "suprank_cub"])
    assert (refused.exit_code, "--force" in refused.output) == (1, True)
    assert path.read_bytes() == before.encode("utf-8", "surrogateescape")
    assert CliRunner().invoke(main, ["recipe", "suprank_cub", "--force"]).exit_code == 0
    assert path.read_text() == recipe_text("suprank_cub")


def test_an_unknown_recipe_is_answered_with_those_there_are(project):
    with pytest.raises(SuiteError, match=r"no recipe 'sop'; there are: .*suprank_sop"):
        load_recipe("sop")
    result = CliRunner().invoke(main, ["recipe", "sop"])
    assert result.exit_code == 1
    assert (project / "params.yaml").read_text() == "study: mine\n"
