"""Reports from recorded results: figures, HTML, PDF."""

from suite.reporting.build import write_reports

__all__ = ["write_reports"]
