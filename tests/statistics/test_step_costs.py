"""Time and memory a step from the provenance of runs."""

import numpy as np
import pandas as pd

from suite.statistics.costs import STEP_COSTS, step_costs


def runs(**changes):
    rows = [
        {"loss": loss, "batch_size": size, "fingerprint": f"{loss}{size}{seed}", "status": "finished"}
        for loss, size in (("supap", 64), ("supap", 32), ("triplet", 32))
        for seed in (0, 1, 2)
    ]
    return pd.DataFrame(rows).assign(dataset="emoji", label="Label", budget="epochs", **changes)


def records(table, seconds=0.1, held=1000):
    return {name: {"step_seconds": seconds, "step_bytes": held} for name in table["fingerprint"]}


def test_runs_of_a_size_give_median_range_and_most_memory():
    table = runs()
    provenance = records(table)
    provenance["supap321"] = {"step_seconds": 0.4, "step_bytes": 3000}
    provenance["supap322"] = {"step_seconds": 0.2, "step_bytes": 2000}
    found = step_costs(table, provenance)
    assert list(found.columns) == list(STEP_COSTS)
    assert found[["loss", "batch_size"]].to_numpy().tolist() == [["supap", 64], ["supap", 32], ["triplet", 32]]
    row = found.iloc[1]
    assert row[["runs", "seconds", "seconds_low", "seconds_high", "bytes"]].tolist() == [3, 0.2, 0.1, 0.4, 3000]


def test_what_is_not_on_record_is_left_out():
    table = runs()
    table.loc[table["fingerprint"] == "supap640", "status"] = "failed"
    control = table.iloc[:1].assign(loss="frozen", fingerprint="", status="finished")
    provenance = records(table)
    del provenance["supap641"]
    provenance["supap642"] = {"step_seconds": 0.5, "step_bytes": None}
    provenance["triplet320"] = {"step_seconds": None, "step_bytes": 5}
    provenance["triplet321"] = {"seconds": 3.0}
    provenance["triplet322"] = {"step_seconds": None}
    found = step_costs(pd.concat([control, table]), provenance)
    assert found["loss"].tolist() == ["supap", "supap"]
    assert found["runs"].tolist() == [1, 3]
    assert np.isnan(found["bytes"].iloc[0])


def test_nothing_on_record_is_an_empty_table():
    found = step_costs(runs(), {})
    assert found.empty
    assert list(found.columns) == list(STEP_COSTS)
