"""Reports say what the tables say, ask nothing of anyone, and are the same bytes for the same records."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from report_pages import parse, pdf_text
from synthetic import Study, make_study, settings, write_trials
from synthetic_runs import ARMS, LOSSES

from suite.errors import SuiteError
from suite.recipes import RECIPES
from suite.reporting import write_reports
from suite.reporting.links import MLFLOW
from suite.reporting.looks import looks
from suite.reporting.references import catalogue

FAILED = (("triplet", 2), ("supap", 1))
# Compared losses at the main batch; four at four other sizes; two at equal steps; the arms of ablations.
RUNS = 8 * 5 + 4 * 4 * 3 + 2 * 5 * 3 + 2 * (5 + 3) + (5 + 4 * 3)


def build(folder: Path, study: Study) -> tuple[Path, Path]:
    root, destination = folder / "artifacts", folder / "reports"
    params, recipes = make_study(root, study), folder / "recipes"
    if study.optional:
        shutil.copytree(RECIPES / "validation", recipes / "validation")
        for dataset in study.datasets:
            write_trials(recipes, params, dataset)
    write_reports(params, root, destination, recipes=recipes)
    return root, destination


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("full"), Study(failed=FAILED))


def test_leaderboard_shows_the_recorded_numbers(full: tuple[Path, Path]) -> None:
    root, destination = full
    recorded = pd.read_parquet(root / "compare" / "leaderboard.parquet")
    recorded = recorded[recorded["split"] == "test"].set_index(["label", "metric"])
    rows = parse(destination / "report.html").tables["emoji-leaderboard"]
    metrics = {"mAP": "level0/AP", "R@1": "level0/R_at_1", "mAP@R": "level0/mAP_at_R", "NDCG": "NDCG", "H-AP": "H_AP"}
    head = [cell["text"] for cell in rows[0]]
    assert len(rows) == 1 + len(LOSSES) + 1
    means = [float(row[2]["value"]) for row in rows[1:-1]]
    assert means == sorted(means, reverse=True)
    for row in rows[1:]:
        label = row[0]["text"].replace(" (floor)", "")
        for title, metric in metrics.items():
            cell = row[head.index(title)]
            truth = recorded.loc[(label, metric)]
            assert float(cell["value"]) == truth["mean"]
            assert cell["text"].startswith(f"{truth['mean']:.3f}")
            if label != "Frozen features":
                assert f"[{truth['low']:.3f}, {truth['high']:.3f}]" in cell["text"]


def recorded_table(full: tuple[Path, Path], name: str) -> pd.DataFrame:
    return pd.read_parquet(full[0] / "compare" / f"{name}.parquet")


def test_gap_tables_show_the_recorded_numbers(full: tuple[Path, Path]) -> None:
    tables = parse(full[1] / "report.html").tables
    gap = recorded_table(full, "gap")
    shown = gap[(gap["metric"] == "AP") & (gap["sampler"] == "m4") & (gap["split"] == "test")]
    shown = shown[shown["budget"] == "epochs"]
    for place, column in ((4, "gap"), (5, "gap_partition_se")):
        cells = [cell["value"] for row in tables["emoji-gap"][1:] for cell in row[place::2]]
        assert sorted(float(value) for value in cells if value is not None) == sorted(shown[column])
    versus = recorded_table(full, "gap_comparison")
    versus = versus[(versus["train_batch_size"] == 256) & (versus["metric"] == "AP") & (versus["budget"] == "epochs")]
    for place, control in ((2, "frozen"), (5, "random")):
        cells = [float(row[place]["value"]) for row in tables["emoji-gap-comparison"][1:]]
        assert cells == list(versus.loc[versus["control"] == control, "difference"])
    other = gap[(gap["metric"] == "AP") & (gap["measure_batch_size"] == 128) & (gap["sampler"] == "random")]
    cells = [float(row[3]["value"]) for row in tables["emoji-gap-samplers"][1:]]
    assert sorted(cells) == sorted(other.loc[~other["loss"].isin(ARMS), "gap"])


def test_scaling_tables_show_the_recorded_numbers(full: tuple[Path, Path]) -> None:
    tables = parse(full[1] / "report.html").tables
    scaling = recorded_table(full, "scaling")
    scaling = scaling[(scaling["split"] == "test") & (scaling["metric"] == "level0/AP")]
    studied = scaling[scaling.groupby(["loss", "budget"])["batch_size"].transform("nunique") > 2]
    assert sorted(float(row[6]["value"]) for row in tables["emoji-scaling"][1:]) == sorted(studied["mean"])
    effects = recorded_table(full, "scaling_effect")
    for metric, name in (("level0/AP", "mAP"), ("level0/R_at_1", "R@1")):
        slopes = effects[(effects["metric"] == metric) & (effects["quantity"] == "slope")]
        rows = [row for row in tables["emoji-scaling-effect"][1:] if row[2]["text"] == name]
        assert sorted(float(row[3]["value"]) for row in rows) == sorted(slopes["estimate"])
    fits = recorded_table(full, "scaling_fits")
    fits = fits[fits["metric"] == "level0/AP"]
    assert len(tables["emoji-scaling-fits"]) == 1 + fits.groupby(["loss", "budget", "model"]).ngroups
    constant = fits[(fits["model"] == "constant") & (fits["loss"] == "supap") & (fits["budget"] == "epochs")].iloc[0]
    told = f"a {constant['estimate']:.4g} [{constant['low']:.4g}, {constant['high']:.4g}]"
    assert told in [row[3]["text"] for row in tables["emoji-scaling-fits"]]


def test_ablation_tables_show_the_recorded_numbers(full: tuple[Path, Path]) -> None:
    tables = parse(full[1] / "report.html").tables
    ablations = recorded_table(full, "ablations")
    for name in ("gap_loss", "simix"):
        mine = ablations[(ablations["ablation"] == name) & (ablations["quantity"] == "level0/AP")]
        head = [cell["text"] for cell in tables[f"emoji-ablation-{name}"][0]]
        place = head.index("mAP")
        rows = tables[f"emoji-ablation-{name}"][1:]
        assert sorted(float(row[place]["value"]) for row in rows) == sorted(mine["mean"])
        changes = [row[place + 1]["value"] for row in rows]
        assert sorted(float(value) for value in changes if value is not None) == sorted(mine["difference"].dropna())


def test_pairs_show_the_recorded_numbers(full: tuple[Path, Path]) -> None:
    pairs = recorded_table(full, "pairwise")
    pairs = pairs[(pairs["split"] == "test") & (pairs["metric"] == "level0/AP")]
    rows = parse(full[1] / "report.html").tables["emoji-pairwise"][1:]
    for place, column in ((3, "difference"), (5, "improvement"), (6, "effect_size"), (7, "detectable")):
        assert [float(row[place]["value"]) for row in rows] == list(pairs[column])
    for row, decision in zip(rows, pairs["decision"], strict=True):
        winner = {"a": row[0]["text"], "b": row[1]["text"]}.get(decision)
        assert row[8]["text"] == ("undecided" if winner is None else f"{winner} higher")


def test_csv_tables_keep_every_digit(full: tuple[Path, Path]) -> None:
    root, destination = full
    for name, recorded in (("gap", "gap"), ("ablation-simix", "ablations"), ("scaling-effect", "scaling_effect")):
        table = pd.read_parquet(root / "compare" / f"{recorded}.parquet").drop(columns="dataset")
        table = table[table["ablation"] == "simix"].reset_index(drop=True) if recorded == "ablations" else table
        again = pd.read_csv(destination / "tables" / f"emoji-{name}.csv", keep_default_na=False, na_values=[""])
        texts = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
        again[texts] = again[texts].fillna("")
        pd.testing.assert_frame_equal(again, table, rtol=1e-14, check_dtype=False)
    assert len(pd.read_csv(destination / "tables" / "runs.csv")) == RUNS


def test_page_is_whole_and_alone(full: tuple[Path, Path]) -> None:
    page = parse(full[1] / "report.html")
    assert page.problems == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    # Links may be followed, and shapes used again; nothing else may be asked for.
    loaded = [at[:60] for tag, at in page.addresses if tag != "a" and not at.startswith(("data:", "#"))]
    assert loaded == []
    links = {address for tag, address in page.addresses if tag == "a" and not address.startswith("#")}
    works = {reference.url for reference in catalogue().values()}
    told = {word for table in page.tables.values() for row in table for cell in row for word in cell["text"].split()}
    ours = {link for link in links if link.startswith(f"{MLFLOW}/runs?study=synthetic&")}
    assert links - works - ours <= told
    source = (full[1] / "report.html").read_text(encoding="utf-8")
    assert "@import" not in source
    assert set(re.findall(r"url\(.", source)) <= {"url(#"}
    assert "<link" not in source
    assert all(image.get("alt") for image in page.images)
    assert all(head.get("scope") in ("col", "row") for head in page.heads)
    anchors = {address[1:] for _, address in page.addresses if address.startswith("#")}
    assert anchors <= set(page.ids)


def test_summary_follows_the_numbers(full: tuple[Path, Path]) -> None:
    root, destination = full
    board = pd.read_parquet(root / "compare" / "leaderboard.parquet")
    board = board[(board["split"] == "test") & (board["metric"] == "level0/AP") & (board["loss"] != "frozen")]
    best = board.loc[board["mean"].idxmax()]
    text = " ".join(parse(destination / "report.html").text.split())
    assert f"{best.label} has the highest test mAP, {best['mean']:.3f} [{best.low:.3f}, {best.high:.3f}]" in text
    pairs = pd.read_parquet(root / "compare" / "pairwise.parquet")
    pairs = pairs[(pairs["split"] == "test") & (pairs["metric"] == "level0/AP")]
    mine = pairs[(pairs["loss_a"] == best.loss) | (pairs["loss_b"] == best.loss)]
    undecided = int((mine["decision"] == "undecided").sum())
    assert undecided > 0
    assert ("one is" if undecided == 1 else f"{undecided} are") + " not told apart from it: " in text
    assert f"2 runs of {RUNS} failed" in text
    assert text.count("loss became NaN at step 12") == len(FAILED)


def test_pdf_says_the_same(full: tuple[Path, Path]) -> None:
    pages, text = pdf_text(full[1] / "report.pdf")
    assert 8 <= pages <= 40
    assert f"1 / {pages}" in text
    for words in (
        "Abstract",
        "Leaderboard",
        "Decomposability gap",
        "Ablations",
        "Training batch size",
        "How far the intervals can be trusted",
        "How it was made",
        "References",
        "How to cite",
        "Appendix",
        f"{RUNS} rows: see tables/runs.csv",
        *LOSSES.values(),
    ):
        assert words in text
    for row in parse(full[1] / "report.html").tables["emoji-leaderboard"][1:]:
        assert row[2]["text"].split("[")[0] in text


def test_figures_and_tables_are_numbered_alike(full: tuple[Path, Path]) -> None:
    _, text = pdf_text(full[1] / "report.pdf")
    page = parse(full[1] / "report.html")
    for kind in ("Figure", "Table"):
        captions = [set(re.findall(rf"{kind} A?\d+\.", told)) for told in (page.text, text)]
        assert captions[0] == captions[1]
        assert captions[0] >= {f"{kind} 1.", f"{kind} A1."}


@pytest.mark.parametrize("processes", [1, 2])
def test_same_records_give_the_same_bytes_elsewhere(full: tuple[Path, Path], tmp_path: Path, processes: int) -> None:
    root, destination = full
    script = (
        "import sys; from pathlib import Path; from synthetic import Study, settings; from "
        "suite.reporting import write_reports;"
        "root = Path(sys.argv[1]);"
        f"params = settings(Study(failed={FAILED!r}));"
        f"write_reports(params, root, Path('again'), recipes=root.parent / 'recipes', processes={processes})"
    )
    repository = Path(__file__).parents[2]
    paths = os.pathsep.join([str(repository), str(repository / "tests"), str(Path(__file__).parent)])
    elsewhere = {
        "PYTHONPATH": paths,
        "PYTHONHASHSEED": str(4 + processes),
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    subprocess.run([sys.executable, "-c", script, str(root)], check=True, cwd=tmp_path, env=os.environ | elsewhere)
    assert digests(tmp_path / "again") == digests(destination)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_files_are_where_readers_look(full: tuple[Path, Path]) -> None:
    names = set(digests(full[1]))
    assert {
        "report.html",
        "report.pdf",
        "figures/main.svg",
        "figures/main.png",
        "tables/emoji-leaderboard.csv",
    } <= names
    assert not [name for name in names if Path(name).name.startswith(".")]
    assert b"<dc:date>" not in (full[1] / "figures" / "main.svg").read_bytes()


def test_provenance_is_told(full: tuple[Path, Path]) -> None:
    cells = " ".join(cell["text"] for row in parse(full[1] / "report.html").tables["provenance"] for cell in row)
    for fact in (
        "abc1234",
        "1 with uncommitted changes",
        "c0ffee",
        "3.11.2",
        "main 0, 1, 2, 3, 4",
        f"{RUNS - 2} finished, 2 failed",
        "other batch sizes and equal steps 0, 1, 2",
        "followed 0, 1, 2",
    ):
        assert fact in cells


def test_two_data_sets_each_have_their_sections(tmp_path: Path) -> None:
    _, destination = build(tmp_path, Study(losses=2, seeds=2, datasets=("emoji", "birds")))
    page = parse(destination / "report.html")
    assert {"emoji-leaderboard", "birds-leaderboard"} <= set(page.tables)
    assert len(page.ids) == len(set(page.ids))
    assert (destination / "figures" / "birds-main.svg").exists()


def test_missing_table_names_the_stage(tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    params = make_study(root, Study(losses=1, seeds=1))
    (root / "compare" / "gap.parquet").unlink()
    with pytest.raises(SuiteError, match=r"gap\.parquet: not found; the compare stage"):
        write_reports(params, root, tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


def test_labels_are_text_not_markup(tmp_path: Path) -> None:
    params = make_study(tmp_path / "artifacts", Study(losses=1, seeds=2))
    loss = params.losses["contrastive"].model_copy(update={"label": "<b>#sharp</b> *x* $y$"})
    params = params.model_copy(update={"losses": {"contrastive": loss}})
    write_reports(params, tmp_path / "artifacts", tmp_path / "reports")
    assert "<b>#sharp</b> *x* $y$" in parse(tmp_path / "reports" / "report.html").text
    assert "<b>#sharp</b> *x* $y$" in pdf_text(tmp_path / "reports" / "report.pdf")[1]


def test_every_loss_has_a_look_of_its_own() -> None:
    params = settings(Study())
    table = looks(params)
    assert list(table) == [*LOSSES, *ARMS, "frozen", "random"]
    assert len({(look.colour, look.marker) for look in table.values()}) == len(table)
    assert table["recall_at_k_simix"].colour == table["recall_at_k"].colour
    assert table["recall_at_k_simix"].hollow
    assert len({look.colour for key, look in table.items() if key in LOSSES}) == len(LOSSES)
    assert len({look.marker for key, look in table.items() if key in LOSSES}) == len(LOSSES)
