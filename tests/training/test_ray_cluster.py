"""Runs on a Ray cluster of two nodes on loopback: the bytes of the local grid, whatever happens to a node."""

import dataclasses
import json
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from toy import SETTINGS, toy_params, write_toy
from toy_images import toy_image_params, write_toy_images

from suite.config import Workers
from suite.errors import SuiteError
from suite.training.executors import Ended, Started, open_executor
from suite.training.specification import specify
from suite.training.stage import train_stage

pytestmark = pytest.mark.slow

LONG = SETTINGS["training"] | {"epochs": 500}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _environment():
    """What the nodes, started from here, hand to their workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


@pytest.fixture(scope="module")
def cluster(_environment):
    """A node that holds the cluster together and trains nothing, and two that train, one run each."""
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def on_ray(params, cluster):
    workers = Workers(processes=1, executor="ray", address=cluster.address)
    return params.model_copy(update={"workers": workers})


def ended_on(cluster, root, spec):
    """What the cluster tells of a run that cannot begin."""
    with open_executor(root, Workers(processes=1, executor="ray", address=cluster.address), 1) as executor:
        executor.submit(spec, 0)
        heard, deadline = [], time.monotonic() + 120
        while not heard and time.monotonic() < deadline:
            heard = executor.events(0.2)
    (ended,) = heard
    return ended


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def journal(root):
    lines = (root / "journal" / "toy" / "supap.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


class Listener:
    """A tracker that does something once, as soon as both nodes train."""

    def __init__(self, act=None):
        self.act, self.heard, self.running = act, [], set()

    def start(self, run):
        self.heard.append(("start", run["fingerprint"]))
        self.running.add(run["fingerprint"])
        if self.act is not None and len(self.running) == 2:
            act, self.act = self.act, None
            act()

    def log(self, fingerprint, rows):
        self.heard.append(("log", fingerprint))

    def finish(self, fingerprint, run_directory):
        self.heard.append(("finish", fingerprint))
        self.running.remove(fingerprint)

    def fail(self, fingerprint, error):
        self.heard.append(("fail", fingerprint))


@pytest.mark.parametrize(
    ("write", "params"), [(write_toy, toy_params()), (write_toy_images, toy_image_params())], ids=["heads", "images"]
)
def test_a_cluster_gives_the_bytes_of_this_machine_and_prints_no_more(cluster, tmp_path, capfd, write, params):
    roots = {name: tmp_path / name / "artifacts" for name in ("local", "ray")}
    for root in roots.values():
        write(root)
    local = train_stage(params, "toy", "supap", roots["local"], None)
    capfd.readouterr()
    listener = Listener()
    assert train_stage(on_ray(params, cluster), "toy", "supap", roots["ray"], listener) == local
    printed = capfd.readouterr()
    assert contents(roots["ray"] / "runs") == contents(roots["local"] / "runs")
    # A slow machine also says how far the grid is.
    ended = [line for line in printed.out.splitlines() if " runs done, " not in line]
    assert len(ended) == local.trained
    assert all("validation mAP" in line for line in ended)
    assert printed.err == ""
    for fingerprint in {name for _, name in listener.heard}:
        kinds = [kind for kind, name in listener.heard if name == fingerprint]
        assert kinds == ["start", "log", "log", "finish"]
    assert train_stage(on_ray(params, cluster), "toy", "supap", roots["ray"], None).trained == 0


def test_a_node_that_is_lost_costs_its_run_one_more_try_and_nothing_else(cluster, tmp_path):
    params = toy_params(training=LONG)
    roots = {name: tmp_path / name / "artifacts" for name in ("local", "ray")}
    for root in roots.values():
        write_toy(root)
    train_stage(params, "toy", "supap", roots["local"], None)
    lost = cluster.list_all_nodes()[-1]
    listener = Listener(lambda: cluster.remove_node(lost, allow_graceful=False))
    outcome = train_stage(on_ray(params, cluster), "toy", "supap", roots["ray"], listener)
    cluster.add_node(num_cpus=1)
    assert listener.act is None
    assert (outcome.trained, outcome.failed) == (3, 0)
    assert contents(roots["ray"] / "runs") == contents(roots["local"] / "runs")
    (line,) = [line for line in journal(roots["ray"]) if "error" in line]
    assert line["event"] == "failed, to be tried again"
    assert line["error"].startswith("its worker or node was lost")


def test_leaving_the_grid_ends_what_runs_on_the_nodes(cluster, tmp_path):
    root = tmp_path / "artifacts"
    write_toy(root)
    specs = specify(toy_params(training=LONG | {"epochs": 10_000}), "toy", "supap", "toy-digest")
    executor = open_executor(root, Workers(processes=1, executor="ray", address=cluster.address), len(specs))
    with executor:
        for spec in specs[:2]:
            assert executor.has_room(0)
            executor.submit(spec, 0)
        # A node that was lost just before is counted until the cluster has noticed.
        deadline = time.monotonic() + 60
        while executor.has_room(0) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not executor.has_room(0)
        heard, deadline = [], time.monotonic() + 120
        while sum(isinstance(event, Started) for event in heard) < 2 and time.monotonic() < deadline:
            heard += executor.events(0.2)
        assert not any(isinstance(event, Ended) for event in heard)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        deadline = time.monotonic() + 30
        while ray.available_resources().get("CPU", 0) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert ray.available_resources()["CPU"] == 2
    finally:
        ray.shutdown()


def test_no_address_is_one_line():
    with pytest.raises(SuiteError, match=r"^workers.executor: ray: name the cluster in workers.address or in RAY_ADDR"):
        open_executor(Path("artifacts"), Workers(processes=1, executor="ray"), 1)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"^workers.address: no Ray cluster at 127.0.0.1:1: .*refused"),
        ("auto", r"^workers.address: auto: give the cluster's host and port, as HOST:6379$"),
        ("ray://127.0.0.1:10001", r"^workers.address: ray://127.0.0.1:10001: give the cluster's host and port"),
    ],
)
def test_an_address_without_a_cluster_is_one_line(tmp_path, address, message):
    workers = Workers(processes=1, executor="ray", address=address)
    with pytest.raises(SuiteError, match=message) as caught:
        open_executor(tmp_path, workers, 1)
    assert "\n" not in str(caught.value)


def test_a_folder_that_a_node_lacks_is_one_line(cluster, tmp_path):
    (spec, *_) = specify(toy_params(), "toy", "supap", "toy-digest")
    ended = ended_on(cluster, tmp_path / "elsewhere", spec)
    assert isinstance(ended.fatal, SuiteError)
    assert str(ended.fatal).endswith("elsewhere is not there; share the folder among all nodes")
    assert str(ended.fatal).startswith("node ")


def test_a_node_with_other_code_is_refused_with_one_line(cluster, tmp_path):
    write_toy(tmp_path / "artifacts")
    (spec, *_) = specify(toy_params(), "toy", "supap", "toy-digest")
    ended = ended_on(cluster, tmp_path / "artifacts", dataclasses.replace(spec, code_digest="0" * 64))
    assert isinstance(ended.fatal, SuiteError)
    assert str(ended.fatal).endswith("suite is other code than the driver's; install the same")
