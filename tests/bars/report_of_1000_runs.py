"""Seconds that `ranksuite report` takes on 1,000 recorded runs; the bar is one minute on two cores."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import yaml
from report_pages import parse
from synthetic import Study, make_study

# Three data sets, eight losses, twenty-four seeds, five batch sizes, two budgets, two ablations.
STUDY = Study(seeds=24, datasets=("emoji", "birds", "trees"))
BAR = 60


def test_the_report_of_1000_runs_is_written_whole(tmp_path: Path) -> None:
    started = time.perf_counter()
    params = make_study(tmp_path / "artifacts", STUDY)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False))
    runs = pd.read_parquet(tmp_path / "artifacts" / "compare" / "runs.parquet")
    runs = runs[runs["batch_size"] > 0]
    print(f"\n{len(runs):,} runs recorded and compared in {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    subprocess.run([shutil.which("ranksuite"), "report"], cwd=tmp_path, check=True, env=os.environ)
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = used.ru_utime + used.ru_stime
    size = (tmp_path / "reports" / "report.html").stat().st_size
    verdict = "within" if seconds < BAR else "over"
    print(f"ranksuite report: {seconds:.1f} s, {verdict} the bar of {BAR} s; {spent:.1f} s of processor time")
    print(f"{size / 1e6:.1f} MB of HTML")
    assert len(runs) >= 1000
    assert len(parse(tmp_path / "reports" / "report.html").tables["runs"]) == 1 + len(runs)
