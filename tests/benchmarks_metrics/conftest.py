"""What the run measured, printed at its end beside the bars, and the figure of growth."""

from pathlib import Path

import pytest

MEASURED = pytest.StashKey[list]()


def pytest_addoption(parser):
    parser.addoption("--growth-figure", help="file that growth is plotted to")


def pytest_configure(config):
    config.stash[MEASURED] = []


@pytest.fixture
def record(pytestconfig):
    """Keep what a case measured, for the summary."""
    return pytestconfig.stash[MEASURED].append


def pytest_terminal_summary(terminalreporter, config):
    found = sorted(config.stash[MEASURED], key=lambda row: row["items"])
    counted, beside = ([row for row in found if name in row] for name in ("products", "sorting"))
    if found:
        terminalreporter.section("exact metrics: leave one out, 512-d, three levels")
    for row in counted:
        ratio, peak = row["seconds"] / row["products"], row["peak"] / 1e6
        line = (
            f"{row['items']:>6,} items: {row['seconds']:6.1f} s, {ratio:.2f} times the matrix products alone"
            f" ({row['products']:.1f} s; processor time {row['processor_ratio']:.2f} times);"
            f" whole process at most {peak:,.0f} MB"
        )
        if row["items"] == 60_000:
            line += f" (bars 2.5 and 2,000 MB: {'met' if ratio <= 2.5 and peak < 2000 else 'missed'})"
        terminalreporter.write_line(line)
    for row in beside:
        ratio = row["sorting"] / row["seconds"]
        line = (
            f"{row['items']:>6,} items: {row['seconds']:6.1f} s, by sorting with {row['sort']} {row['sorting']:.1f} s:"
            f" {ratio:.1f} times (processor time {row['processor_ratio']:.1f} times)"
        )
        if row["items"] == 14_000:
            line += f" (bar 3: {'met' if ratio >= 3 else 'missed'})"
        terminalreporter.write_line(line)
    path = config.getoption("--growth-figure")
    if path and len(counted) > 1:
        _plot(counted, beside, Path(path))
        terminalreporter.write_line(f"growth plotted to {path}")


def _plot(counted, beside, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (time, memory) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    thousands = [row["items"] / 1000 for row in counted]
    time.plot(thousands, [row["seconds"] for row in counted], marker="o", label="all metrics")
    time.plot(thousands, [row["products"] for row in counted], marker="s", label="matrix products alone")
    for sort, marker in (("numpy", "v"), ("torch", "^")):
        rows = [row for row in beside if row["sort"] == sort]
        label = f"all metrics, by sorting ({sort})"
        time.plot([row["items"] / 1000 for row in rows], [row["sorting"] for row in rows], marker=marker, label=label)
    time.set(xscale="log", yscale="log", xlabel="items (thousands)", ylabel="seconds, two threads")
    time.legend(frameon=False)
    memory.plot(thousands, [row["peak"] / 1e6 for row in counted], marker="o", label="whole process")
    matrix = [4 * row["items"] ** 2 / 1e6 for row in counted]
    memory.plot(thousands, matrix, color="grey", linestyle=":", label="one query x gallery matrix")
    memory.set(xscale="log", yscale="log", xlabel="items (thousands)", ylabel="peak memory, MB")
    memory.legend(frameon=False)
    for axis in (time, memory):
        axis.set_xticks(thousands, [f"{value:g}" for value in thousands])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
    plt.close(figure)
