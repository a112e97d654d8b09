"""What ranks exchange beside the loss: rows, gradients, objects, and what becomes of them when one fails."""

import pytest
import torch
from collectives_of_a_rank import DTYPES, parameters_of, told
from spawning import run_ranks

from suite.errors import SuiteError
from suite.training.distributed import Ranks, launched_ranks

NAN = "the embeddings hold NaN or infinite values"
TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory):
    return run_ranks("collectives_of_a_rank.py", tmp_path_factory.mktemp("ranks"), 2)


def test_rows_are_gathered_in_order_and_in_their_dtype(of_ranks):
    for found in of_ranks:
        for dtype in DTYPES:
            assert found["gathered"][str(dtype)] == [str(dtype), [[0.5] * 3] * 2 + [[1.5] * 3] * 2]


def test_gradients_are_summed_where_any_rank_has_one(of_ranks):
    one, other = parameters_of(0), parameters_of(1)
    for found in of_ranks:
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            gradients = [parameter.grad for parameter in (left, right) if parameter.grad is not None]
            if not gradients:
                assert found["sums"][place] is None
                continue
            total = sum(gradients)
            assert found["sums"][place] == total.double().sum().item()
            assert found["ends"][place] == total.flatten()[-1].item()


def test_objects_reach_every_rank(of_ranks):
    assert [found["place"] for found in of_ranks] == [[0, 2, True], [1, 2, False]]
    for found in of_ranks:
        assert found["tell"] == {"from": 0}


def test_nan_on_one_rank_stops_all(of_ranks):
    assert [found["nan"] for found in of_ranks] == [NAN, NAN]


def test_a_rank_that_fails_leaves_none_waiting(of_ranks):
    assert [found["end"] for found in of_ranks] == ["RuntimeError", "OSError"]


def test_a_process_alone_has_what_it_gives():
    expected = [None if one.grad is None else one.grad.double().sum().item() for one in parameters_of(0)]
    found = told(Ranks(0, 1, torch.device("cpu")))
    assert found["sums"] == expected
    assert found["gathered"][str(torch.float64)][1] == [[0.5] * 3] * 2
    assert (found["tell"], found["nan"]) == ({"from": 0}, NAN)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WORLD_SIZE": "2"}, "RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT: not set, though WORLD_SIZE is 2"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE: expected a whole number"),
        (dict.fromkeys(TORCHRUN, "2") | {"LOCAL_RANK": "first"}, "LOCAL_RANK: expected a whole number"),
    ],
)
def test_an_environment_that_is_not_torchruns_is_refused(monkeypatch, environment, message):
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SuiteError, match=message), launched_ranks():
        pass


def test_without_torchrun_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with launched_ranks() as ranks:
        assert (ranks.rank, ranks.size) == (0, 1)
