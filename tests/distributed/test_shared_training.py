"""Training over ranks is training in one process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from spawning import REPOSITORY, run_ranks
from toy_images import toy_image_params, toy_image_run, write_toy_images

from suite.errors import SuiteError
from suite.training.distributed import Ranks, launched_ranks
from suite.training.full import FullRun
from suite.training.protocols import load_run_data


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("artifacts")
    write_toy_images(root)
    return root


@pytest.mark.slow
def test_one_two_and_four_ranks_have_the_same_parameters_after_twenty_steps(root, tmp_path):
    (alone,) = run_ranks("training_of_a_rank.py", tmp_path, 1, str(root))
    assert all(len(result["loss"]) == 20 for result in alone.values())
    for size in (2, 4):
        for rank in run_ranks("training_of_a_rank.py", tmp_path, size, str(root)):
            for name, expected in alone.items():
                found = rank[name]
                np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-8, err_msg=name)
                for tensor, values in expected["state"].items():
                    np.testing.assert_allclose(found["state"][tensor], values, rtol=1e-6, atol=1e-9, err_msg=name)
                assert found["metrics"] == pytest.approx(expected["metrics"], rel=1e-6, nan_ok=True)
                assert found["same_when_taken_up"]


@pytest.mark.slow
def test_torchrun_trains_the_runs_of_a_stage_once(root, tmp_path):
    shutil.copytree(root, tmp_path / "artifacts")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(toy_image_params().model_dump(mode="json")))
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PATH": f"{scripts}:{os.environ['PATH']}"}
    command = [scripts / "torchrun", "--no-python", "--nproc-per-node=2", "--master-port=0", "--standalone"]
    command += ["ranksuite", "train", "toy", "supap", "--no-mlflow"]
    for trained in (1, 0):
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=True
        )
        assert f"toy supap: {trained} runs trained, {1 - trained} recorded before, 0 failed" in ended.stdout
    (directory,) = (tmp_path / "artifacts" / "runs" / "toy" / "supap").iterdir()
    assert (directory / "network.safetensors").is_file()
    assert not (tmp_path / "artifacts" / "checkpoints").exists() or not any(
        (tmp_path / "artifacts" / "checkpoints").rglob("*.pt")
    )


def test_a_batch_that_ranks_cannot_divide_is_refused(root):
    spec = toy_image_run(root)
    ranks = Ranks(0, 3, Ranks.alone().device)
    with pytest.raises(SuiteError, match="batch size 16 cannot be divided by 3 processes"):
        FullRun(spec, load_run_data(root, spec), ranks=ranks)


def test_without_torchrun_there_is_one_rank(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with launched_ranks() as ranks:
        assert (ranks.rank, ranks.size, ranks.is_first) == (0, 1, True)
        assert ranks.tell("word") == "word"
