"""The shares of the run, printed at its end beside the bar."""

import pytest

BAR = 0.9
RATES = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[RATES] = []


@pytest.fixture
def record_share(pytestconfig):
    """Keep the rate of a case, and its share of decoding alone, for the summary."""

    def record(case, info):
        pytestconfig.stash[RATES].append((case, info["images_per_second"], info["share_of_decoding_alone"]))

    return record


def pytest_terminal_summary(terminalreporter, config):
    found = config.stash.get(RATES, [])
    if found:
        terminalreporter.section("loading: medians of turns")
    for case, rate, share in found:
        verdict = "met" if share >= BAR else "missed"
        line = f"{case}: {rate:,.0f} images a second, {share:.1%} of decoding alone (bar {BAR:.0%}: {verdict})"
        terminalreporter.write_line(line)
