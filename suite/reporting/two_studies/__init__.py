"""Two studies side by side: `ranksuite report --compare A B`."""

from suite.reporting.two_studies.build import compare_studies

__all__ = ["compare_studies"]
