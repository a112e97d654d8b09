"""What the steps of the run cost, printed at its end beside the bars."""

import pytest

LINES = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[LINES] = []


@pytest.fixture
def say(pytestconfig):
    """Keep a line for the summary."""
    return pytestconfig.stash[LINES].append


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("training steps: medians of this run")
    for line in lines:
        terminalreporter.write_line(line)
