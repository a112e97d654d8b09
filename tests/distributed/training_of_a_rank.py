"""Run by each rank: a run of twenty steps on its part of every batch; what is left of it is written as JSON."""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from toy_images import toy_image_run

from suite.training.checkpoints import Checkpoints
from suite.training.distributed import launched_ranks
from suite.training.full import FullRun
from suite.training.loop import fit
from suite.training.protocols import load_run_data

CHANGES = {
    "plain": {"loss": "supap", "chunk_size": 3},
    "memory": {"loss": "xbm", "loss_settings": {"loss": "recall_at_k", "size": 30, "settings": {"ks": [1, 2]}}},
    "mixed": {"loss": "recall_at_k", "loss_settings": {"ks": [1, 2], "simix": True}},
    "centres": {"loss": "combine", "loss_settings": {"preset": "roadmap_star"}, "centres": {"learning_rate": 0.1}},
}


def twenty_steps(root, ranks, name, folder):
    """The parameters, history and metrics after twenty steps, and what was cut off and taken up again half way."""
    # Followed: the parameters after the last step are kept, whichever validation was best.
    spec = replace(toy_image_run(root, epochs=10, evaluations=2, **CHANGES[name]), followed=True)
    data = load_run_data(root, spec)
    trained = fit(FullRun(spec, data, ranks=ranks), lambda rows: None)
    checkpoints = Checkpoints(folder / f"{name}-{ranks.size}", writes=ranks.is_first)
    run = FullRun(spec, data, ranks=ranks)
    batches = run.batches
    run.batches = lambda first, total: (item for item in batches(first, total) if item[0].step <= 10)
    cut = fit(run, lambda rows: None, checkpoints)
    ranks.tell(None)
    again = fit(FullRun(spec, data, ranks=ranks), lambda rows: None, checkpoints)
    assert len(cut.history) == 10
    same = all(torch.equal(again.state[name], tensor) for name, tensor in trained.state.items())
    return {
        "state": {name: tensor.flatten().tolist() for name, tensor in trained.snapshots[10].items()},
        "loss": trained.history["loss"].tolist(),
        "metrics": trained.metrics,
        "same_when_taken_up": same and again.history.equals(trained.history),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    output = Path(sys.argv[1])
    with launched_ranks() as ranks:
        results = {name: twenty_steps(Path(sys.argv[2]), ranks, name, output.parent) for name in CHANGES}
        output.write_text(json.dumps(results))
