"""Two passes over chunks give the gradient of one pass over the whole batch."""

import warnings

import numpy as np
import pytest
import torch
from loss_catalogue import LOSSES
from torch import nn
from toy_images import CONVOLUTIONAL, FULL, toy_image_run, write_toy_images

from suite.config import Workers
from suite.training.full import FullRun
from suite.training.loop import Place
from suite.training.protocols import RunTrainer, load_run_data
from suite.training.two_pass import one_pass_backward, two_pass_backward

# What each loss is made with here; all others take their defaults.
SETTINGS = {
    "combine": {"preset": "roadmap_star"},
    "xbm": {"loss": "smoothap", "size": 24},
    "recall_at_k": {"ks": [1, 2], "simix": True},
}
SMALL_KS = {"smoothrecall": {"ks": [1, 2]}, "suprecall": {"ks": [1, 2]}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("artifacts")
    write_toy_images(root)
    return root


def gradients(root, chunk_size, steps=2, **changes):
    """Losses and gradients of the first batches, whose parameters stay as they are."""
    spec = toy_image_run(root, chunk_size=chunk_size, **changes)
    run = FullRun(spec, load_run_data(root, spec))
    values = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, batch in run.batches(Place(1, 1, 0), steps):
            values.append(run.gradient(place, batch))
    parameters = [*run.network.parameters(), *run.loss.parameters()]
    return values, [parameter.grad.clone() for parameter in parameters if parameter.grad is not None]


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-10)
    assert len(found[1]) == len(expected[1]) > 0
    norm = torch.cat([gradient.flatten() for gradient in expected[1]]).norm()
    assert norm > 0
    for one, other in zip(found[1], expected[1], strict=True):
        assert (one - other).norm() <= 1e-10 * norm


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_the_gradient_of_one_pass(root, loss):
    settings = SETTINGS.get(loss) or SMALL_KS.get(loss) or {}
    whole = gradients(root, None, loss=loss, loss_settings=settings)
    for chunk_size in (1, 7):
        assert_same(gradients(root, chunk_size, loss=loss, loss_settings=settings), whole)


@pytest.mark.parametrize("network", [FULL["network"], CONVOLUTIONAL | {"pooling": "gem", "channels_last": True}])
def test_dropout_drop_path_and_augmentation_are_on_and_the_same_in_both_passes(root, network):
    whole = gradients(root, None, network=network)
    for chunk_size in (1, 5, 16):
        assert_same(gradients(root, chunk_size, network=network), whole)
    # A residual branch may start at 0: dropping it then shows in the gradient alone.
    without = {"size": 32, "crop": None, "flip": False}
    for plain in (
        {"network": network | {"dropout": 0.0}},
        {"network": network | {"drop_path": 0.0}},
        {"network": network, "images": without},
    ):
        others = gradients(root, None, **plain)[1]
        assert not all(torch.equal(one, other) for one, other in zip(others, whole[1], strict=True))


def test_loaders_change_nothing(root):
    spec = toy_image_run(root, chunk_size=5)
    data = load_run_data(root, spec)
    curves = []
    for loaders in (0, 2):
        trained = RunTrainer(root, Workers(processes=1, loaders=loaders)).train(spec, lambda rows: None)
        curves.append(trained)
    assert curves[0].history.equals(curves[1].history)
    assert all(torch.equal(curves[0].state[name], curves[1].state[name]) for name in curves[0].state)
    assert len(data.rows("train")) == 30


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_autocast_in_two_passes_is_near_one_pass(root, precision):
    network = CONVOLUTIONAL | {"channels_last": True}
    one, two = (gradients(root, chunk, network=network, precision=precision) for chunk in (None, 5))
    flat = [torch.cat([gradient.flatten().double() for gradient in found[1]]) for found in (one, two)]
    assert torch.nn.functional.cosine_similarity(*flat, dim=0) > 0.98


class Drawing(nn.Module):
    """Draws from the global generators of torch and NumPy."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4, dtype=torch.float64)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(self.linear(x)) * (1.0 + np.random.random())


def test_the_states_of_global_generators_are_replayed():
    torch.manual_seed(0)
    np.random.seed(0)
    network, batch = Drawing(), torch.randn(12, 6, dtype=torch.float64)
    chunks = batch.split(5)

    def objective(embeddings):
        weights = torch.rand(len(embeddings), dtype=torch.float64)
        return (weights[:, None] * (embeddings @ embeddings.T).tanh()).sum()

    def drawn(function):
        torch.manual_seed(1)
        np.random.seed(1)
        network.zero_grad()
        value = function()
        return value.item(), network.linear.weight.grad.clone(), torch.rand(1).item(), np.random.random()

    def kept_graph():
        return one_pass_backward(lambda parts: torch.cat([network(part) for part in parts]), chunks, objective)

    one = drawn(kept_graph)
    two = drawn(lambda: two_pass_backward(network, lambda: iter(chunks), objective))
    assert two[0] == one[0]
    torch.testing.assert_close(two[1], one[1], rtol=1e-12, atol=1e-13)
    assert two[2:] == one[2:]


def test_chunks_that_differ_between_the_passes_are_refused():
    network, turns = nn.Linear(3, 2), iter([[4, 4], [4, 3], [4, 4], [4], [4], [4, 4]])

    def chunks():
        return [torch.ones(size, 3) for size in next(turns)]

    for message in ("chunk 1 has 3 items in the second pass, 4 before", "has 4 items, the first 8", "goes on after"):
        with pytest.raises(ValueError, match=message):
            two_pass_backward(network, chunks, lambda embeddings: embeddings.sum())


def test_a_loss_or_embeddings_that_are_nan_leave_no_gradient():
    network, chunks = nn.Linear(3, 2), [torch.ones(4, 3)]
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        two_pass_backward(network, lambda: chunks, lambda embeddings: embeddings.sum() * float("nan"))
    with pytest.raises(FloatingPointError, match=r"the loss is (nan|-?inf)"):
        two_pass_backward(network, lambda: [torch.full((4, 3), float("inf"))], lambda embeddings: embeddings.sum())
    assert all(parameter.grad is None for parameter in network.parameters())
