"""Keyed masks have the probabilities of dropout, and follow from key, layer and place alone."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from suite.models.keyed_dropout import KeyedDropout, KeyedDropPath, key_dropout, sample_keys
from suite.torchvision_schemas import declare_torchvision_schemas

declare_torchvision_schemas()
DropPath = importlib.import_module("timm.layers").DropPath

MANY = 20_000


def keys_of(count: int, seed: int = 3, step: int = 5) -> torch.Tensor:
    return sample_keys(seed, step, torch.arange(count))


def mask(layer: nn.Module, keys: torch.Tensor, *shape: int) -> torch.Tensor:
    with layer.source.use(keys):
        return layer(torch.ones(len(keys), *shape, dtype=torch.float64))


def test_keys_differ_between_seeds_steps_and_places_and_are_the_same_for_any_part_of_the_batch():
    keys = torch.cat([keys_of(1000, seed, step) for seed in range(5) for step in range(5)])
    assert len(torch.unique(keys)) == 25_000
    assert torch.equal(sample_keys(3, 5, torch.arange(400, 1000)), keys_of(1000)[400:])


def test_every_bit_of_keys_is_set_in_half_of_them():
    bits = (keys_of(MANY)[:, None] >> torch.arange(64)) & 1
    assert bits.double().mean(0) == pytest.approx(np.full(64, 0.5), abs=5 * 0.5 / MANY**0.5)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.9])
def test_dropout_keeps_its_share_and_the_mean(p: float):
    values = mask(KeyedDropout(p), keys_of(200), 300)
    count, kept = values.numel(), (values > 0).double()
    assert kept.mean().item() == pytest.approx(1 - p, abs=5 * (p * (1 - p) / count) ** 0.5)
    assert values.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / count) ** 0.5)
    assert set(values.unique().tolist()) == {0.0, 1 / (1 - p)}
    # Between images and between places the shares scatter as those of independent draws do.
    for axis, others in ((0, 200), (1, 300)):
        assert kept.mean(axis).var().item() == pytest.approx(p * (1 - p) / others, rel=0.5)


@pytest.mark.parametrize("scaled", [True, False])
def test_drop_path_keeps_whole_branches_of_images(scaled: bool):
    values = mask(KeyedDropPath(0.2, scaled), keys_of(MANY), 2, 2)
    assert torch.equal(values, values[:, :1, :1].expand_as(values))
    kept = (values[:, 0, 0] > 0).double()
    assert kept.mean().item() == pytest.approx(0.8, abs=5 * 0.4 / MANY**0.5)
    assert values.max().item() == (1.25 if scaled else 1.0)


def test_masks_of_layers_keys_and_places_are_uncorrelated():
    keys = keys_of(MANY)
    drawn = [mask(KeyedDropout(0.5, layer=layer), keys, 2) for layer in range(3)]
    following = [mask(KeyedDropout(0.5), keys_of(MANY, step=6), 2), mask(KeyedDropout(0.5), keys + 1, 2)]
    columns = torch.cat([*drawn, *following], dim=1).numpy()
    correlations = np.corrcoef(columns, rowvar=False) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 5 / MANY**0.5


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_any_chunking_of_a_batch_gives_the_same_masks(images: int, chunk: int, seed: int):
    keys = keys_of(images, seed)
    for layer in (KeyedDropout(0.5, layer=7), KeyedDropout(0.5, channels=True), KeyedDropPath(0.5)):
        whole = mask(layer, keys, 3, 4, 5)
        parts = [mask(layer, part, 3, 4, 5) for part in keys.split(chunk)]
        assert torch.equal(whole, torch.cat(parts))


def test_whole_channels_are_dropped_where_asked():
    values = mask(KeyedDropout(0.5, channels=True), keys_of(50), 6, 4, 4)
    assert torch.equal(values, values[:, :, :1, :1].expand_as(values))
    assert 0 < (values[:, :, 0, 0] > 0).double().mean() < 1


def test_rows_of_one_image_lie_side_by_side():
    layer, keys = KeyedDropout(0.5), keys_of(4)
    with layer.source.use(keys):
        whole = layer(torch.ones(12, 5))
    with layer.source.use(keys[2:]):
        assert torch.equal(layer(torch.ones(6, 5)), whole[6:])
    with layer.source.use(keys), pytest.raises(ValueError, match="4 keys for a batch of 6: give one for each image"):
        layer(torch.ones(6, 5))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_masks_are_the_same_in_every_dtype(dtype: torch.dtype):
    layer, keys = KeyedDropout(0.3), keys_of(10)
    with layer.source.use(keys):
        values = layer(torch.ones(10, 40, dtype=dtype))
    assert values.dtype == dtype
    assert torch.equal(values > 0, mask(layer, keys, 40) > 0)


def test_gradients_pass_where_values_do():
    layer, x = KeyedDropout(0.4), torch.ones(8, 30, dtype=torch.float64, requires_grad=True)
    with layer.source.use(keys_of(8)):
        layer(x).sum().backward()
    assert torch.equal(x.grad, mask(layer, keys_of(8), 30))


def test_without_keys_layers_draw_from_the_global_generator_and_in_evaluation_not_at_all():
    layer, x = KeyedDropout(0.5), torch.ones(20, 20)
    torch.manual_seed(0)
    first, second = layer(x), layer(x)
    torch.manual_seed(0)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)
    layer.eval()
    with layer.source.use(keys_of(20)):
        assert torch.equal(layer(x), x)


def test_layers_of_a_network_are_replaced_and_numbered_in_order():
    shared = nn.Dropout2d(0.2)
    network = nn.Sequential(
        nn.Dropout(0.1), nn.Sequential(DropPath(0.3, scale_by_keep=False), shared), nn.Linear(2, 2), shared
    ).eval()
    source = key_dropout(network)
    first, (path, channels), _, again = network
    assert again is channels
    assert [(layer.layer, layer.p, layer.training) for layer in (first, path, channels)] == [
        (0, 0.1, False),
        (1, 0.3, False),
        (2, 0.2, False),
    ]
    assert (first.channels, channels.channels, path.scale_by_keep) == (False, True, False)
    assert all(layer.source is source for layer in (first, path, channels))
    assert isinstance(network[2], nn.Linear)


def test_keys_are_put_back_where_a_use_ends_or_fails():
    layer, outer = KeyedDropout(0.5), keys_of(3)
    with layer.source.use(outer):
        with pytest.raises(ValueError, match="give one for each image"), layer.source.use(keys_of(2)):
            layer(torch.ones(3, 4))
        assert layer.source.keys is outer
    assert layer.source.keys is None
