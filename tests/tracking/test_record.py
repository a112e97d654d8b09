"""What a run shows of itself, with no store at hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.errors import SuiteError
from suite.tracking.overview import means_table
from suite.tracking.record import (
    POINTS,
    Record,
    final_points,
    history_points,
    images_seen,
    main_runs,
    name,
    parameters,
    read_record,
    read_records,
    run_name,
    tags,
)

METRIC = st.floats(-1, 1)


def record_of(steps: int, every: int) -> Record:
    """A record of `steps` steps with a validation every `every` steps."""
    rows = [
        {"step": s, "epoch": 0, "loss": 1.0, "val/level0/AP": 0.5 if s % every == 0 else None}
        for s in range(1, steps + 1)
    ]
    return Record({"status": "finished", "steps": steps, "batch_size": 8}, history=pd.DataFrame(rows))


@given(steps=st.integers(1, 3000), every=st.integers(1, 3000))
def test_thinning_keeps_ends_and_validations_and_bounds_the_rest(steps: int, every: int) -> None:
    points = history_points(record_of(steps, every), (), 0, 1000)
    losses = [point.step // 8 for point in points if point.key == "history/loss"]
    validations = [point.step // 8 for point in points if point.key == "history/val/level0/AP"]
    assert losses == sorted(set(losses))
    assert losses[0] == 1
    assert losses[-1] == steps
    assert validations == list(range(every, steps + 1, every))
    assert len(losses) <= POINTS + 2 + len(validations)
    assert {point.key for point in points} <= {"history/loss", "history/step", "history/val/level0/AP"}
    assert all(point.step == images_seen(int(point.value), 8) for point in points if point.key == "history/step")


@given(steps=st.integers(1, 500), data=st.data())
def test_points_already_logged_are_left_out_and_the_rest_is_unchanged(steps: int, data: st.DataObject) -> None:
    record = record_of(steps, 7)
    keys = st.sampled_from(["history/loss", "history/val/level0/AP"])
    skip = data.draw(st.sets(st.tuples(keys, st.integers(1, steps).map(lambda step: images_seen(step, 8)))))
    whole = history_points(record, (), 5, 500)
    assert history_points(record, skip, 5, 500) == [point for point in whole if (point.key, point.step) not in skip]
    assert [point.timestamp for point in whole] == sorted(point.timestamp for point in whole)
    assert all(5 <= point.timestamp <= 500 for point in whole)


@given(key=st.text(min_size=1, max_size=400))
def test_names_are_what_mlflow_accepts(key: str) -> None:
    from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, validate_param_and_metric_name

    assert validate_param_and_metric_name(name(key))
    assert len(name(key)) == min(len(key), MAX_ENTITY_KEY_LENGTH)


def test_metric_names_of_the_suite_stay_as_they_are() -> None:
    assert name("val/level0/R_at_1") == "val/level0/R_at_1"


def test_parameters_are_flat_text_and_always_name_the_comparison(describe) -> None:
    flat = parameters(describe(seed=3))
    assert flat["settings.tau"] == "0.01"
    assert flat["settings.ks"] == "[1, 2]"
    assert (flat["seed"], flat["batch_size"], flat["learning_rate"]) == ("3", "256", "0.001")
    assert (flat["dataset"], flat["loss"], flat["registered_loss"]) == ("emoji", "supap", "supap")
    assert len(flat["note"]) == 6000


def test_what_is_no_setting_is_no_parameter(describe) -> None:
    run = describe()
    about = {"name": "supap", "label": "Sup-AP", "followed": True, "code_digest": "c" * 64, "weight_decay": 0.1}
    flat = parameters(run | {"parameters": {**run["parameters"], **about, "loss": "supap_of_another_name"}})
    assert set(flat) & {*about} == {"weight_decay"}
    # The tables' `loss` is the key in params.yaml.
    assert (flat["loss"], flat["registered_loss"]) == ("supap", "supap_of_another_name")


def test_names_and_tags(describe) -> None:
    run = describe("smoothap", seed=1, batch_size=32)
    assert run_name(run) == "emoji-smoothap-32-1"
    assert run_name(run | {"budget": "steps"}) == "emoji-smoothap-32-1-steps"
    assert tags(run) == {
        "dataset": "emoji",
        "loss": "smoothap",
        "label": "Smoothap",
        "budget": "epochs",
        "batch_size": "32",
        "seed": "1",
        "protocol": "head",
        "role": "scaling",
        "fingerprint": run["fingerprint"],
        "group": "emoji-smoothap-32",
    }


def test_what_is_not_finite_has_no_point() -> None:
    values = {"val/a": math.nan, "val/b": math.inf, "val/c": 0.25, "test/queries": 7}
    costs = {"seconds": 4.5, "step_seconds": None, "step_bytes": 64}
    run = {"status": "finished", "steps": 9, "batch_size": 8, "best_epoch": 2}
    points = {
        point.key: (point.value, point.step, point.timestamp)
        for point in final_points(Record(run, values, provenance=costs), 11)
    }
    assert points == {
        "val/c": (0.25, 72, 11),
        "test/queries": (7.0, 72, 11),
        "best_epoch": (2.0, 72, 11),
        "system/seconds": (4.5, 72, 11),
        "system/step_bytes": (64.0, 72, 11),
    }


@given(main=st.lists(METRIC, min_size=1, max_size=6), scaling=st.lists(METRIC, max_size=3))
def test_means_are_over_finished_main_runs_alone(main: list[float], scaling: list[float]) -> None:
    group = [
        Record({"status": "finished", "role": role, "seed": seed, "label": "Sup-AP"}, {"test/AP": value})
        for role, values in (("main", main), ("scaling", scaling))
        for seed, value in enumerate(values)
    ]
    group.append(Record({"status": "failed", "role": "main", "seed": 99}))
    (row,) = means_table({("emoji", "supap"): group}).to_dict("records")
    assert row.pop("test/AP") == pytest.approx(sum(main) / len(main), abs=1e-12)
    assert row == {"dataset": "emoji", "loss": "supap", "label": "Sup-AP", "seeds": len(main)}


def test_no_main_run_no_mean() -> None:
    group = [Record({"status": "finished", "role": "scaling", "seed": 0}, {"test/AP": 1.0})]
    assert main_runs(group) == []
    assert means_table({("emoji", "supap"): group}).empty


def test_unfinished_folders_are_not_runs(tmp_path, describe, record_run) -> None:
    directory = record_run(tmp_path, describe())
    (directory.parent / ".half").mkdir()
    assert [record.fingerprint for record in read_records(tmp_path, "emoji", "supap")] == [directory.name]
    assert read_records(tmp_path, "emoji", "smoothap") == []


@pytest.mark.parametrize("gone", ["run.json", "metrics.json", "head.safetensors"])
def test_a_missing_file_is_named(tmp_path, describe, record_run, gone: str) -> None:
    directory = record_run(tmp_path, describe())
    (directory / gone).unlink()
    with pytest.raises(SuiteError, match=f"{gone}: missing"):
        read_record(directory, tmp_path)


def test_a_broken_file_is_named(tmp_path, describe, record_run) -> None:
    directory = record_run(tmp_path, describe())
    (directory / "metrics.json").write_text("{", encoding="utf-8")
    with pytest.raises(SuiteError, match=r"metrics\.json: not valid JSON"):
        read_record(directory, tmp_path)
