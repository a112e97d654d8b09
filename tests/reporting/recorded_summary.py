"""Where the findings of the summary take their numbers from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from recorded import AP, CONTROLS, Records, values


def summary_pool(section: str, label: str, records: Records) -> np.ndarray:
    """The numbers that a finding may show: those of the rows it is about, and how many of them fell on each side."""
    if section == "runs":
        runs = records.table("runs")
        parts = runs[runs["batch_size"] > 0].groupby("dataset")
        return np.concatenate([_counted(part, "status") for _, part in parts])
    dataset = next(name for name in records.params.datasets if section.startswith(f"{name}-"))
    match section.removeprefix(f"{dataset}-"):
        case "leaderboard":
            board = records.table("leaderboard", dataset, split="test", metric=AP)
            others = [_counted(_rivals(records, name), "decision") for name in records.params.datasets]
            return np.concatenate([values(board), *others, [len(records.params.datasets)]])
        case "comparison":
            pairs = records.table("pairwise", dataset, split="test", metric=AP)
            known = values(pairs)
            decided = [float((pairs["decision"] != "undecided").sum()), float(len(pairs))]
            return np.concatenate([known, -known, _counted(_rivals(records, dataset), "decision"), decided])
        case "gap":
            chosen = {
                "metric": "AP",
                "split": "test",
                "budget": "epochs",
                "sampler": records.params.measure.main_sampler,
            }
            gap = records.table("gap", dataset, **chosen)
            gap = gap[gap["train_batch_size"].isin([0, records.params.main_batch_size])]
            smallest = gap["measure_batch_size"].min()
            matched = records.table("gap_matched", dataset, metric="AP", measure_batch_size=smallest)
            versus = records.table("gap_comparison", dataset, metric="AP", measure_batch_size=smallest)
            compared = list(records.params.compared)
            parts = [
                table[table["loss"].isin(compared)]
                for table in (matched[matched["reference"] == "whitened"], versus[versus["control"] == "frozen"])
            ]
            kept = gap[gap["measure_batch_size"] == smallest]
            return np.concatenate(
                [values(kept), *(values(one) for one in parts), *(_counted(one, "decision") for one in parts)]
            )
        case "ablations":
            table = records.table("ablations", dataset)
            mine = table if label.startswith("Other") else table[table["ablation_label"] == label.strip(" .")]
            arms = mine[mine["decision"] != ""]
            counts = [_counted(part, "decision") for _, part in arms.groupby(["ablation", "quantity", "budget"])]
            return np.concatenate([values(mine), *counts])
        case "scaling":
            table = records.table("scaling_effect", dataset, metric=AP, quantity="slope")
            return np.concatenate([values(table), *(_counted(part, "decision") for _, part in table.groupby("budget"))])
    raise KeyError(section)


def _counted(rows: pd.DataFrame, column: str) -> np.ndarray:
    return np.array([len(rows), *rows[column].value_counts()], dtype=float)


def _rivals(records: Records, dataset: str) -> pd.DataFrame:
    """The pairs of the first of the leaderboard, `decision` by whether it or the other is above."""
    board = records.table("leaderboard", dataset, split="test", metric=AP)
    board = board[~board["loss"].isin(CONTROLS)].sort_values("mean", ascending=False, kind="stable")
    pairs = records.table("pairwise", dataset, split="test", metric=AP)
    best = board["loss"].iloc[0] if len(board) else ""
    mine = pairs[(pairs["loss_a"] == best) | (pairs["loss_b"] == best)]
    above = np.where(mine["loss_a"] == best, mine["decision"] == "a", mine["decision"] == "b")
    return mine.assign(
        decision=np.where(mine["decision"] == "undecided", "undecided", np.where(above, "below", "above"))
    )
