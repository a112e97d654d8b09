"""Numbers as the tables of benchmarks show them."""


def amount(value: float) -> str:
    """A ratio, a time or a size with the digits that mean something: 612, 41.5, 2.31."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
