"""The bar of scale: H-GLDv2 built from synthetic releases of 10,000, 100,000 and 1,000,000 listed images.

Run by `make bars`; pytest collects it only where it is named. It takes some five minutes and 3 GB of disk below
pytest's temporary folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from gldv2_release import Release, write_release
from study_settings import settings

from suite.config import load_params
from suite.datasets import download_dataset, load_card

SIZES = (10_000, 100_000, 1_000_000)
LIMIT_BYTES = 2 * 10**9
_SAMPLE_SECONDS = 0.02


def release_of(images: int) -> Release:
    """A release of `images` listed images in the proportions of GLDv2: 64 % clean training images, 31 % index,
    5 % test, of which 1 % has an answer; as many more training images are outside the clean list as a quarter."""
    train, index = images * 64 // 100, images * 31 // 100
    return Release(
        train=train,
        index=index,
        test=images - train - index,
        per_landmark=15,
        bare_every=5,
        distractor_every=10,
        answered=0.01,
        unclean=train // 4,
        train_shards=10,
        index_shards=4,
        test_shards=2,
    )


def build(folder: Path) -> tuple[float, int]:
    """Wall seconds and peak resident bytes, over the whole process tree, of `ranksuite build` in `folder`."""
    command = [sys.executable, "-m", "suite.cli", "build", "scale"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    begin, peak = time.perf_counter(), 0
    process = psutil.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        peak = max(peak, _resident(process))
        time.sleep(_SAMPLE_SECONDS)
    assert process.returncode == 0, process.stderr.read()
    return time.perf_counter() - begin, peak


def _resident(process: psutil.Process) -> int:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@pytest.fixture(scope="module")
def table() -> list[str]:
    """Rows of the table, printed when all sizes are measured."""
    rows = [f"{'listed images':>14}{'stored':>10}{'seconds':>10}{'us an image':>13}{'peak MB':>9}"]
    yield rows
    print("\n" + "\n".join(rows))


@pytest.mark.parametrize("images", SIZES)
def test_memory_stays_below_the_limit(images: int, tmp_path: Path, table: list[str]):
    release = release_of(images)
    write_release(tmp_path / "release", release)
    shards = {f"{part}_shards": f"0-{getattr(release, f'{part}_shards') - 1}" for part in ("train", "index", "test")}
    origin = {"kind": "file", "folder": str(tmp_path / "release")}
    study = settings(datasets={"scale": {"builder": "h_gldv2", "download": {"origin": origin, **shards}}})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(study))
    download_dataset(load_params(tmp_path / "params.yaml"), "scale", tmp_path / "artifacts")

    seconds, peak = build(tmp_path)
    stored = sum(count["images"] for count in load_card(tmp_path / "artifacts", "scale")["counts"].values())
    table.append(f"{images:>14,}{stored:>10,}{seconds:>10.1f}{1e6 * seconds / stored:>13.0f}{peak / 1e6:>9.0f}")
    assert stored > images // 2
    assert peak < LIMIT_BYTES
