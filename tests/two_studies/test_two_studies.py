"""Two studies side by side: what is the same, what was changed by a known amount, and what cannot be compared."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pypdfium2
import pytest
import yaml
from click.testing import CliRunner

from suite.cli import main
from suite.errors import SuiteError
from suite.reporting.model import Paragraph, Report, Table
from suite.reporting.two_studies import compare_studies
from suite.reporting.two_studies.build import build_comparison
from suite.reporting.two_studies.differences import Differences, differences
from suite.reporting.two_studies.studies import opened

sys.path.append(str(Path(__file__).parents[1] / "reporting"))
from report_pages import parse
from synthetic import Study, make_study

AP = "level0/AP"
SMALL = Study(losses=5, seeds=3, steps=False, ablations=False, gap_extras=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder."""
    folder = tmp_path_factory.mktemp("first")
    params = make_study(folder / "artifacts", SMALL)
    (folder / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False))
    return folder


@pytest.fixture
def second(first: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(first, tmp_path / "second"))


def setting(folder: Path, change: Callable[[dict], object]) -> None:
    """Change the settings of a study."""
    path = folder / "params.yaml"
    values = yaml.safe_load(path.read_text())
    change(values)
    path.write_text(yaml.safe_dump(values, sort_keys=False))


def runs(folder: Path, loss: str, batch_size: int = 256) -> list[Path]:
    """Directories of a loss's runs at a batch size."""
    found = (folder / "artifacts" / "runs" / "emoji" / loss).iterdir()
    return [run for run in found if json.loads((run / "run.json").read_text())["batch_size"] == batch_size]


def compared(first: Path, second: Path) -> tuple[Differences, Report]:
    with opened(str(first), str(second)) as (a, b):
        (found,) = differences(a, b)
        return found, build_comparison(a, b)


def told(report: Report) -> str:
    return " ".join(finding.text for part in report.summary for finding in part.findings)


def test_a_study_is_the_same_as_itself(first: Path) -> None:
    found, report = compared(first, first)
    assert (found.metrics["difference"] == 0).all()
    assert set(found.metrics["decision"]) == {"undecided"}
    assert (found.gaps["difference"] == 0).all()
    assert (found.metrics["same_runs"] == 3).all()
    assert "Every run of both has the same fingerprint" in told(report)
    assert "The test mAP of every loss is the same" in told(report)


def test_a_loss_that_was_raised_is_found_and_by_how_much(first: Path, second: Path) -> None:
    generator = np.random.default_rng(3)
    for run in runs(second, "supap"):
        table = pd.read_parquet(run / "queries.parquet")
        table[AP] += 0.05 + generator.normal(0, 0.01, len(table))
        table.to_parquet(run / "queries.parquet", index=False)
    found, report = compared(first, second)
    rows = found.metrics[found.metrics["metric"] == AP].set_index("loss")
    raised = rows.loc["supap"]
    assert raised["low"] < 0.05 < raised["high"]
    assert raised["decision"] == "higher"
    assert set(rows.drop("supap")["decision"]) == {"undecided"}
    assert "higher in B for Sup-AP (+0.05" in told(report)
    reverse, _ = compared(second, first)
    lowered = reverse.metrics[(reverse.metrics["metric"] == AP) & (reverse.metrics["loss"] == "supap")].iloc[0]
    assert lowered["decision"] == "lower"
    assert lowered["difference"] == pytest.approx(-raised["difference"])


def test_gaps_are_paired_by_partition(first: Path, second: Path) -> None:
    path = second / "artifacts" / "measures" / "emoji" / "supap" / "gap.parquet"
    table = pd.read_parquet(path)
    table["gap"] += np.random.default_rng(1).normal(0.02, 0.001, len(table))
    table.to_parquet(path, index=False)
    found, _ = compared(first, second)
    rows = found.gaps[found.gaps["loss"] == "supap"]
    np.testing.assert_allclose(rows["difference"], 0.02, atol=0.003)
    assert set(rows["decision"]) == {"higher"}
    assert set(found.gaps[found.gaps["loss"] != "supap"]["decision"]) == {"undecided"}


def test_seeds_of_one_study_alone_enter_its_mean_and_no_difference(first: Path, second: Path) -> None:
    setting(second, lambda values: values["seeds"].update(main=[0, 1]))
    found, _ = compared(first, second)
    assert set(found.metrics["seeds"]) == {2}
    assert found.metrics["mean_a"].notna().all()
    setting(second, lambda values: values["seeds"].update(main=[0], scaling=[0], followed=[]))
    found, report = compared(first, second)
    assert set(found.metrics["reason"]) == {"fewer than two equal seeds"}
    assert "No loss differs for certain" in told(report) or "the same" in told(report)


def test_failed_runs_leave_their_seed_out(first: Path, second: Path) -> None:
    run = runs(second, "fastap")[0]
    described = json.loads((run / "run.json").read_text()) | {"status": "failed", "error": "the loss became NaN"}
    (run / "run.json").write_text(json.dumps(described))
    found, report = compared(first, second)
    seeds = found.metrics.groupby("loss")["seeds"].first()
    assert seeds["fastap"] == 2
    assert set(seeds.drop("fastap")) == {3}
    recorded = next(table for table in report.blocks(Table) if table.name == "recorded")
    assert any("1 failed" in cell.text for row in recorded.rows for cell in row)


def test_a_loss_of_one_study_alone_is_named(first: Path, second: Path) -> None:
    setting(second, lambda values: values["losses"].pop("triplet"))
    found, report = compared(first, second)
    assert "triplet" not in found.losses
    assert "nly A compares Triplet" in told(report)


def test_other_images_are_not_compared(first: Path, second: Path) -> None:
    path = second / "artifacts" / "datasets" / "emoji" / "items.parquet"
    items = pd.read_parquet(path)
    level = json.loads((path.parent / "card.json").read_text())["levels"][0]
    items.loc[0, level] = "another"
    items.to_parquet(path, index=False)
    found, report = compared(first, second)
    assert found.reason == "the studies have different images or labels"
    assert found.metrics.empty
    texts = [block.text for block in report.blocks(Paragraph)]
    assert "No difference is formed: the studies have different images or labels." in texts


def test_other_main_batch_sizes_are_not_compared(first: Path, second: Path) -> None:
    setting(second, lambda values: values.update(main_batch_size=32))
    setting(second, lambda values: [values["losses"].pop(loss) for loss in ("contrastive", "triplet", "fastap")])
    found, _ = compared(first, second)
    assert found.reason == "the main batch size is 256 in A and 32 in B"


def test_gaps_in_other_batches_are_not_compared(first: Path, second: Path) -> None:
    setting(second, lambda values: values["measure"].update(partitions=values["measure"]["partitions"] + 1))
    found, _ = compared(first, second)
    assert found.gap_reason == "the studies measure it in other batches"
    assert found.gaps.empty
    assert len(found.metrics)


def test_settings_that_differ_are_listed(first: Path, second: Path) -> None:
    setting(second, lambda values: values["training"].update(epochs=values["training"]["epochs"] + 1))
    _, report = compared(first, second)
    table = next(table for table in report.blocks(Table) if table.name == "settings")
    assert [row[0].text for row in table.rows] == ["training.epochs"]
    _, same = compared(first, first)
    assert "The settings of both studies are the same." in [block.text for block in same.blocks(Paragraph)]


def test_page_and_paper_are_written(first: Path, second: Path, tmp_path: Path) -> None:
    compare_studies(str(first), str(second), tmp_path / "out")
    page = parse(tmp_path / "out" / "report.html")
    assert page.problems == []
    assert {"emoji-differences", "emoji-gaps", "recorded"} <= set(page.tables)
    assert str(tmp_path) not in (tmp_path / "out" / "report.html").read_text()
    paper = pypdfium2.PdfDocument(tmp_path / "out" / "report.pdf")
    text = " ".join(paper[0].get_textpage().get_text_bounded().split())
    assert "Two studies compared: first" in text
    assert (tmp_path / "out" / "tables" / "emoji-differences.csv").is_file()


def test_places_that_hold_no_study_are_named(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "params.yaml").write_text("{}")
    for place, message in (
        ("empty", "empty: holds no params.yaml"),
        ("bare", "bare: has no artifacts"),
        ("v9", "v9: neither a study's folder nor a revision of the repository here"),
    ):
        with pytest.raises(SuiteError, match=message), opened(str(first), place):
            pass


@pytest.mark.slow
def test_revisions_are_read_from_the_cache(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of two commits, whose outs DVC has: one differs in the queries of a loss."""
    folder = tmp_path / "repository"
    shutil.copytree(first, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "true")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site-cache"))
    dvc = str(Path(sys.executable).parent / "dvc")

    def call(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    def commit(message: str) -> None:
        call(dvc, "add", "--quiet", *(str(path) for path in sorted(Path("artifacts").iterdir()) if path.is_dir()))
        call("git", "add", "-A")
        call("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", message)

    call("git", "init", "-q")
    call(dvc, "init", "--quiet")
    commit("one")
    for run in runs(folder, "supap"):
        table = pd.read_parquet(run / "queries.parquet")
        table[AP] += 0.03
        (run / "queries.parquet").unlink()
        table.to_parquet(run / "queries.parquet", index=False)
    commit("two")
    with opened("HEAD~1", ".") as (a, b):
        (found,) = differences(a, b)
        assert (a.name, b.name) == ("HEAD~1", "working tree")
    rows = found.metrics[found.metrics["metric"] == AP].set_index("loss")
    assert rows.loc["supap", "difference"] == pytest.approx(0.03)
    assert rows.drop("supap")["difference"].eq(0).all()
    ended = CliRunner().invoke(main, ["report", "--compare", "HEAD~1", "HEAD", "--output", "out"])
    assert ended.exit_code == 0, ended.output
    assert (folder / "out" / "report.pdf").is_file()
    shutil.rmtree(folder / ".dvc" / "cache")
    shutil.rmtree(tmp_path / "site-cache", ignore_errors=True)
    with pytest.raises(SuiteError, match="HEAD~1: artifacts/compare is not in DVC's cache"), opened("HEAD~1", "."):
        pass
