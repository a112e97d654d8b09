import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from toy import SETTINGS, toy_params, write_params, write_toy

from suite.config import load_params
from suite.errors import SuiteError
from suite.evaluation import per_query_metrics
from suite.models.head import head_of, load_head
from suite.recipes import trials_path
from suite.training.data import evaluate, load_head_data
from suite.training.head import train_head
from suite.training.provenance import surroundings
from suite.training.specification import specify
from suite.training.stage import train_stage
from suite.training.store import RunStore, store_lock
from suite.training.tuning import tune


@pytest.fixture
def root(tmp_path):
    write_toy(tmp_path / "artifacts")
    return tmp_path / "artifacts"


def with_supap(**changes):
    return toy_params(losses=SETTINGS["losses"] | {"supap": SETTINGS["losses"]["supap"] | changes})


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


class Recorder:
    """A tracker that keeps what it is told."""

    def __init__(self):
        self.started, self.rows, self.finished, self.failed = [], {}, [], {}

    def start(self, run):
        self.started.append(run["fingerprint"])

    def log(self, fingerprint, rows):
        self.rows.setdefault(fingerprint, []).extend(rows)

    def finish(self, fingerprint, run_directory):
        assert (run_directory / "metrics.json").is_file()
        self.finished.append(fingerprint)

    def fail(self, fingerprint, error):
        self.failed[fingerprint] = error


def test_a_grid_trains_what_is_missing_and_nothing_else(root):
    params, tracker = toy_params(), Recorder()
    outcome = train_stage(params, "toy", "supap", root, tracker)
    assert (outcome.trained, outcome.present, outcome.failed) == (3, 0, 0)
    specs = specify(params, "toy", "supap", "toy-digest")
    names = {spec.fingerprint for spec in specs}
    assert set(tracker.started) == set(tracker.finished) == names
    before = contents(root / "runs")

    assert train_stage(params, "toy", "supap", root, None).trained == 0
    assert contents(root / "runs") == before

    more = toy_params(seeds={"main": [0, 1, 2], "scaling": [0]})
    outcome = train_stage(more, "toy", "supap", root, None)
    assert (outcome.trained, outcome.present) == (1, 3)

    run = RunStore(root / "runs", "toy", "supap").get(specs[0])
    history = pd.read_parquet(run.directory / "history.parquet")
    assert history["step"].tolist() == list(range(1, run.record["steps"] + 1))
    assert len(tracker.rows[specs[0].fingerprint]) == len(history)
    assert history["val/level0/AP"].notna().sum() == 2
    assert history["val/level0/AP"].max() == run.metrics()["val/level0/AP"]
    queries = pd.read_parquet(run.directory / "queries.parquet")
    assert queries["level0/AP"].mean() == pytest.approx(run.metrics()["test/level0/AP"])
    provenance = json.loads((root / "provenance" / "toy" / "supap" / f"{specs[0].fingerprint}.json").read_text())
    assert provenance["packages"] == surroundings()["packages"]


def test_training_lifts_unseen_classes_and_is_the_same_bit_for_bit(root):
    spec = specify(toy_params(training=SETTINGS["training"] | {"epochs": 12}), "toy", "supap", "toy-digest")[0]
    data = load_head_data(root, "toy")
    first, second = (train_head(spec, data, lambda rows: None) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.history.equals(second.history)
    curve = first.history["val/level0/AP"].dropna().to_numpy()
    assert first.metrics["val/level0/AP"] == curve.max() > curve[0]


def test_a_run_at_equal_steps_takes_that_many_whatever_its_batch_size(root):
    rates = {"toy": [{"batch_size": size, "learning_rate": 0.01} for size in (16, 32)]}
    params = toy_params(
        training=SETTINGS["training"] | {"steps": 10},
        losses={"supap": SETTINGS["losses"]["supap"] | {"equal_steps": rates}},
    )
    assert train_stage(params, "toy", "supap", root, None).trained == 3 + 2
    store = RunStore(root / "runs", "toy", "supap")
    specs = [spec for spec in specify(params, "toy", "supap", "toy-digest") if spec.budget == "steps"]
    assert [(spec.batch_size, spec.role, spec.seed) for spec in specs] == [
        (16, "equal_steps", 0),
        (32, "equal_steps", 0),
    ]
    # 72 training images are 4.5 batches of 16, so 4 an epoch, and 2 of 32.
    for spec, epochs in zip(specs, (3, 5), strict=True):
        run = store.get(spec)
        assert (run.record["budget"], run.record["steps"], run.record["epochs"]) == ("steps", 10, epochs)
        history = pd.read_parquet(run.directory / "history.parquet")
        assert history.loc[history["val/level0/AP"].notna(), "step"].tolist() == [5, 10]
    assert not any(
        spec.fingerprint == other.fingerprint
        for spec in specs
        for other in specify(toy_params(), "toy", "supap", "toy-digest")
    )


def test_a_followed_run_keeps_its_head_at_every_validation(root):
    params = toy_params(seeds={"main": [0, 1], "scaling": [0], "followed": [1]})
    train_stage(params, "toy", "contrastive", root, None)
    alone, followed = specify(params, "toy", "contrastive", "toy-digest")
    store, data = RunStore(root / "runs", "toy", "contrastive"), load_head_data(root, "toy")
    assert store.get(alone).snapshots() == {}
    snapshots = store.get(followed).snapshots()
    assert list(snapshots) == [2, 4]
    history = pd.read_parquet(store.get(followed).directory / "history.parquet")
    curve = history.dropna(subset=["val/level0/AP"]).set_index("epoch")["val/level0/AP"]
    for epoch, head in snapshots.items():
        assert evaluate(head, data, "val", levels=(0,))[0]["val/level0/AP"] == curve[epoch]
    best = snapshots[store.get(followed).record["best_epoch"]]
    np.testing.assert_array_equal(
        data.embed(best, slice(None)).numpy(), data.embed(store.get(followed).network(), slice(None)).numpy()
    )
    # A run that lost its snapshots is not whole.
    (store.get(followed).directory / "snapshots.safetensors").unlink()
    assert store.get(followed) is None


def test_what_an_update_costs_stands_in_the_provenance_alone(root):
    train_stage(toy_params(), "toy", "contrastive", root, None)
    (spec, _) = specify(toy_params(), "toy", "contrastive", "toy-digest")
    provenance = json.loads((root / "provenance" / "toy" / "contrastive" / f"{spec.fingerprint}.json").read_text())
    assert 0 < provenance["step_seconds"] < provenance["seconds"]
    # At least the gradient of the (8, 12) projection.
    assert 8 * 12 * 4 <= provenance["step_bytes"] < 1 << 24
    run = json.loads((root / "runs" / "toy" / "contrastive" / spec.fingerprint / "run.json").read_text())
    assert not any("seconds" in key or "bytes" in key for key in run)


def test_runs_do_not_depend_on_the_number_of_processes(root, tmp_path):
    train_stage(toy_params(workers={"processes": 1}), "toy", "supap", root, None)
    alone = contents(root / "runs")
    write_toy(tmp_path / "other")
    train_stage(toy_params(workers={"processes": 2}), "toy", "supap", tmp_path / "other", None)
    assert contents(tmp_path / "other" / "runs") == alone


def test_queries_are_judged_against_their_gallery(tmp_path):
    write_toy(tmp_path, gallery=True)
    data = load_head_data(tmp_path, "toy")
    spec = specify(toy_params(), "toy", "contrastive", "toy-digest")[0]
    trained = train_head(spec, data, lambda rows: None)
    query, gallery = data.rows("query"), data.rows("gallery")
    assert trained.queries["item"].tolist() == query.tolist()
    expected = per_query_metrics(
        data.embed(head_of(trained.state), query),
        data.labels[query],
        data.embed(head_of(trained.state), gallery),
        data.labels[gallery],
        ks=(1, 100),
    )
    np.testing.assert_array_equal(trained.queries["level0/mAP_at_100"], expected["level0/mAP_at_100"])
    # One pair alone is stated: that query's, and the others do not enter the means.
    assert trained.queries["stated/num_positives"].tolist() == [1] + [0] * (len(query) - 1)
    assert trained.metrics["test/stated/queries"] == 1
    # The image without a label is a distractor of all: its class has three left, the others four.
    assert sorted(set(trained.queries["level0/num_positives"])) == [3, 4]
    assert len(data.evaluation_rows()) == len(query) + len(gallery) - 1


def test_a_data_set_without_training_images_is_refused(root):
    items = pd.read_parquet(root / "datasets" / "toy" / "items.parquet")
    items.assign(split="test").to_parquet(root / "datasets" / "toy" / "items.parquet", index=False)
    with pytest.raises(SuiteError, match="data set 'toy': no images in the split 'train': it serves evaluation alone"):
        train_stage(toy_params(), "toy", "supap", root, None)


def test_a_data_set_that_judges_its_validation_images_is_refused(root):
    items = pd.read_parquet(root / "datasets" / "toy" / "items.parquet")
    items.assign(split=items["split"].replace("test", "val")).to_parquet(
        root / "datasets" / "toy" / "items.parquet", index=False
    )
    with pytest.raises(SuiteError, match=r"its protocol 'test' judges images of the split 'val': .* has no test"):
        train_stage(toy_params(), "toy", "supap", root, None)
    with pytest.raises(SuiteError, match="judges images of the split 'val'"):
        load_head_data(root, "toy")


def test_a_saved_head_gives_the_embeddings_it_gave(root):
    params = toy_params()
    train_stage(params, "toy", "contrastive", root, None)
    spec = specify(params, "toy", "contrastive", "toy-digest")[0]
    data = load_head_data(root, "toy")
    fresh = head_of(train_head(spec, data, lambda rows: None).state)
    loaded = load_head(root / "runs" / "toy" / "contrastive" / spec.fingerprint / "head.safetensors")
    np.testing.assert_array_equal(data.embed(fresh, slice(None)).numpy(), data.embed(loaded, slice(None)).numpy())


def test_a_run_that_fails_is_recorded_and_the_rest_goes_on(root):
    tracker = Recorder()
    rates = [{"batch_size": 16, "learning_rate": 0.01}, {"batch_size": 32, "learning_rate": 1.0e25}]
    params = with_supap(batches={"toy": rates})
    outcome = train_stage(params, "toy", "supap", root, tracker)
    assert (outcome.trained, outcome.failed) == (3, 1)
    (error,) = tracker.failed.values()
    assert "NaN or infinite" in error
    failed = RunStore(root / "runs", "toy", "supap").get(specify(params, "toy", "supap", "toy-digest")[2])
    assert not failed.finished
    assert [path.name for path in failed.directory.iterdir()] == ["run.json"]

    # A recorded failure stays until it is forgotten.
    assert train_stage(params, "toy", "supap", root, None).trained == 0
    assert RunStore(root / "runs", "toy", "supap").forget_failed() == [failed.record["fingerprint"]]
    assert train_stage(params, "toy", "supap", root, None).trained == 1


def test_runs_no_longer_named_are_pruned_and_labels_follow_the_settings(root):
    train_stage(toy_params(), "toy", "supap", root, None)
    smaller = with_supap(label="renamed", batches={"toy": [{"batch_size": 16, "learning_rate": 0.01}]})
    outcome = train_stage(smaller, "toy", "supap", root, None)
    assert (outcome.trained, outcome.present) == (0, 2)
    records = [json.loads(path.read_text()) for path in (root / "runs" / "toy" / "supap").glob("*/run.json")]
    assert {record["label"] for record in records} == {"renamed"}
    assert len(records) == len(list((root / "provenance" / "toy" / "supap").iterdir())) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"tua": 0.01}}, r"params.yaml: losses.supap: .*tua"),
        ({"settings": {"tau": -1.0}}, r"params.yaml: losses.supap: .*tau"),
        ({"loss": "supaap"}, r"unknown loss 'supaap': did you mean 'supap'"),
        (
            {"batches": {"toy": [{"batch_size": 64, "learning_rate": 0.01}]}},
            r"losses.supap: batch size 64 needs 16 classes .* has 12",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_training(root, changes, message):
    with pytest.raises(SuiteError, match=message):
        train_stage(with_supap(**changes), "toy", "supap", root, None)
    assert not list((root / "runs").rglob("run.json"))


def test_a_second_training_waits_for_the_store_then_refuses(root):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom pathlib import Path\nfrom suite.training.store import store_lock\n"
            f"with store_lock(Path({str(root)!r})):\n    print('held', flush=True)\n    sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(SuiteError, match="another training still holds the run store"),
        store_lock(root, wait=0.2),
    ):
        pass
    holder.communicate("")
    with store_lock(root, wait=0.2):
        assert holder.returncode == 0


def test_a_killed_training_leaves_no_worker_behind_and_loses_no_finished_run(root, tmp_path):
    long = SETTINGS["training"] | {"epochs": 3000, "evaluations": 1}
    path = tmp_path / "params.yaml"
    write_params(path, training=long)
    script = tmp_path / "drive.py"
    script.write_text(
        "from pathlib import Path\nfrom suite.config import load_params\n"
        "from suite.training.stage import train_stage\n"
        "if __name__ == '__main__':\n"
        f"    train_stage(load_params(Path({str(path)!r})), 'toy', 'supap', Path({str(root)!r}), None)\n"
    )
    driver = subprocess.Popen([sys.executable, str(script)])
    process = psutil.Process(driver.pid)
    deadline = time.monotonic() + 60
    # Workers, and the resource tracker that Python starts beside them.
    while len(workers := process.children(recursive=True)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert len(workers) >= 3
    assert alive == []
    assert not list((root / "runs").rglob("run.json"))
    with store_lock(root, wait=0):
        assert RunStore(root / "runs", "toy", "supap").prune([]) == []
    assert list((root / "runs" / "toy" / "supap").iterdir()) == []


def test_a_run_that_lost_a_file_is_trained_again(root):
    train_stage(toy_params(), "toy", "contrastive", root, None)
    before = contents(root / "runs")
    spec = specify(toy_params(), "toy", "contrastive", "toy-digest")[0]
    (root / "runs" / "toy" / "contrastive" / spec.fingerprint / "metrics.json").unlink()
    assert train_stage(toy_params(), "toy", "contrastive", root, None).trained == 1
    assert contents(root / "runs") == before


def test_tuning_writes_its_choices_and_never_reads_the_test_classes(root, tmp_path):
    path = tmp_path / "params.yaml"
    write_params(path)
    trials = tune(toy_params(), "toy", ["supap"], root, path, tmp_path / "recipes")
    assert len(trials) == 2 * 2
    chosen = trials[trials["chosen"]].set_index("batch_size")
    for batch_size, group in trials.groupby("batch_size"):
        assert chosen.loc[batch_size, "val/level0/AP"] == group["val/level0/AP"].max()
        assert chosen.loc[batch_size, "at_edge"]
    text = path.read_text()
    assert text.startswith("# a comment to keep\n")
    rates = {batch.batch_size: batch.learning_rate for batch in load_params(path).batches("toy", "supap")}
    assert rates == chosen["learning_rate"].to_dict()
    recorded = list((root / "tuning" / "toy" / "supap").iterdir())
    assert len(recorded) == 4
    for run in recorded:
        assert not any(key.startswith("test/") for key in json.loads((run / "metrics.json").read_text()))
        assert not (run / "queries.parquet").exists()
    record = pd.read_csv(trials_path("toy", "toy", tmp_path / "recipes"))
    pd.testing.assert_frame_equal(record, trials, check_exact=True)


def test_what_is_on_record_is_not_searched_again_where_only_the_missing_is_asked_for(root, tmp_path):
    path, recipes = tmp_path / "params.yaml", tmp_path / "recipes"
    write_params(path)
    small = with_supap(batches={"toy": [{"batch_size": 16, "learning_rate": 0.01}]})
    first = tune(small, "toy", ["supap"], root, path, recipes, missing=True)
    assert set(first["batch_size"]) == {16}
    second = tune(toy_params(), "toy", ["supap"], root, path, recipes, missing=True)
    assert set(second["batch_size"]) == {32}
    record = pd.read_csv(trials_path("toy", "toy", recipes))
    pd.testing.assert_frame_equal(record, pd.concat([first, second], ignore_index=True), check_exact=True)
    assert tune(toy_params(), "toy", ["supap"], root, path, recipes, missing=True).empty
    # Other rates are another search.
    wider = toy_params(tuning={"learning_rates": [1.0e-4, 1.0e-2, 1.0e-1], "seeds": [0]})
    assert len(tune(wider, "toy", ["supap"], root, path, recipes, missing=True)) == 2 * 3


def test_both_budgets_are_tuned_and_each_has_its_own_choices(root, tmp_path):
    path = tmp_path / "params.yaml"
    rates = {"toy": [{"batch_size": 16, "learning_rate": 0.5}]}
    changes = {
        "training": SETTINGS["training"] | {"steps": 3},
        "losses": {"supap": SETTINGS["losses"]["supap"] | {"equal_steps": rates}},
    }
    write_params(path, **changes)
    trials = tune(toy_params(**changes), "toy", ["supap"], root, path, tmp_path / "recipes")
    assert trials.groupby(["budget", "batch_size"]).size().to_dict() == {
        ("epochs", 16): 2,
        ("epochs", 32): 2,
        ("steps", 16): 2,
    }
    written = load_params(path)
    for budget in ("epochs", "steps"):
        chosen = trials[trials["chosen"] & (trials["budget"] == budget)].set_index("batch_size")["learning_rate"]
        assert {b.batch_size: b.learning_rate for b in written.batches("toy", "supap", budget)} == chosen.to_dict()
