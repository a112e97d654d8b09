"""What is timed and where (`--batch-sizes 128,256`, `--device cpu`), and the goals printed at the end."""

import pandas as pd
import pytest
import torch
from loss_cases import available

from suite.benchmarking.goals import outcomes, sentences
from suite.benchmarking.memory import with_peak_memory

SIZES = "128,256,512,1024,2048,4096,8192,16384"
FOUND = pytest.StashKey[list]()


def pytest_addoption(parser):
    parser.addoption("--batch-sizes", default=SIZES, help="batch sizes to time, separated by commas")
    parser.addoption("--device", default=None, help="cpu or cuda; without it cuda where there is one")


def pytest_configure(config):
    config.stash[FOUND] = []


def pytest_generate_tests(metafunc):
    if {"loss", "batch_size"} <= set(metafunc.fixturenames):
        # Run as part of all tests, where benchmarks are skipped, the option is not registered.
        sizes = [int(size) for size in metafunc.config.getoption("--batch-sizes", default=SIZES).split(",")]
        cases = [(name, size) for name, case in available().items() for size in case.sizes(sizes)]
        metafunc.parametrize(("loss", "batch_size"), cases)


@pytest.fixture(scope="session")
def device(pytestconfig):
    """The device that is timed."""
    chosen = pytestconfig.getoption("--device", default=None)
    return torch.device(chosen or ("cuda" if torch.cuda.is_available() else "cpu"))


@pytest.fixture(scope="session", autouse=True)
def _started(device):
    # The profiler and the device's libraries take a second to load; no loss is to be charged with it.
    matrix = torch.ones(64, 64, device=device)
    with_peak_memory(lambda: matrix @ matrix, device)


@pytest.fixture
def record_case(pytestconfig):
    """Keep a finished benchmark for the summary."""

    def record(benchmark, loss, batch_size):
        pytestconfig.stash[FOUND].append(
            {
                "loss": loss,
                "batch_size": batch_size,
                "median_ms": 1000 * benchmark.stats.stats.median,
                "peak_memory_bytes": float(benchmark.extra_info["peak_memory_bytes"]),
            }
        )

    return record


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    found = config.stash.get(FOUND, [])
    if found:
        terminalreporter.section("goals: ratios of medians of this run")
        for line in sentences(outcomes(pd.DataFrame(found))):
            terminalreporter.write_line(line)
