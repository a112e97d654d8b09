"""Starts ranks as torchrun does: processes that meet over gloo on loopback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TESTS = REPOSITORY / "tests"


def run_ranks(script: str, folder: Path, size: int, *arguments: str, timeout: float = 300) -> list[dict]:
    """What each of `size` ranks of a script wrote as JSON to `FOLDER/rank-N.json`, which is its first argument."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(size),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, TESTS, TESTS / "training", TESTS / "distributed"))),
    }
    outputs = [folder / f"rank-{size}-{rank}.json" for rank in range(size)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / script), str(outputs[rank]), *arguments],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        errors = [process.communicate(timeout=timeout)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, error in zip(processes, errors, strict=True):
        assert process.returncode == 0, error
    return [json.loads(path.read_text()) for path in outputs]
