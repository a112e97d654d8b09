"""How the report is cited: a BibTeX entry made from what the runs recorded."""

from __future__ import annotations

import re
from collections import Counter

from suite.reporting.evidence import Evidence

# A bare one stands for an index in LaTeX.
LOW_LINE = r"\_"


def cite(evidence: Evidence) -> str:
    """A `@misc` entry, ready for LaTeX: the study, the commit of most runs, the date of the last, if recorded."""
    records = [record for data in evidence.datasets for record in data.provenance.values()]
    study = evidence.params.study
    ended = max((str(record["finished"])[:10] for record in records if record.get("finished")), default="")
    commits = Counter(str(record["commit"]) for record in records if record.get("commit"))
    fields = {"author": "{ranksuite}", "title": f"Rank losses compared: study {study.replace('_', LOW_LINE)}"}
    if ended:
        fields |= {"year": ended[:4], "note": f"Runs recorded until {ended}"}
    if commits:
        fields["howpublished"] = f"Report of code at commit {min(commits, key=lambda one: (-commits[one], one))}"
    key = "-".join(filter(None, ("ranksuite", re.sub(r"[^A-Za-z0-9]+", "-", study).strip("-"), ended[:4])))
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{key},\n{lines}\n}}\n"
