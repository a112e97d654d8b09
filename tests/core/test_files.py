import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from suite.files import atomic_directory, atomic_file, remove_leftovers, write_json, write_table


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "value.json"
    write_json(path, {"b": 1, "a": 2})
    before = path.read_bytes()
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["value.json"]


def test_a_directory_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "out"
    with atomic_directory(path) as temporary:
        (temporary / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic_directory(path) as temporary:
        (temporary / "new").write_text("half")
        raise RuntimeError
    assert os.listdir(path) == ["old"]
    with atomic_directory(path) as temporary:
        (temporary / "new").write_text("new")
    assert os.listdir(path) == ["new"]
    assert os.listdir(tmp_path) == ["out"]


KILLED_WHILE_DELETING = """
import os, signal, sys
from pathlib import Path
from suite.files import replace_directory
sys.addaudithook(lambda event, _: event == "shutil.rmtree" and os.kill(os.getpid(), signal.SIGKILL))
replace_directory(*map(Path, sys.argv[1:]))
"""


def test_a_new_directory_is_in_its_place_before_the_old_one_is_deleted(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    ended = subprocess.run([sys.executable, "-c", KILLED_WHILE_DELETING, tmp_path / "new", tmp_path / "old"])
    assert ended.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path / "old") == ["new"]
    remove_leftovers(tmp_path / "old")
    assert os.listdir(tmp_path) == ["old"]


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    for name in ("out/a", ".out.x1y2/half", ".out.z3/removed/a", ".outer.x1/a", "out.d/a"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / ".out.lock").touch()
    remove_leftovers(tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == [".out.lock", ".outer.x1", "out", "out.d"]


def test_outputs_are_as_readable_as_other_files(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    write_json(tmp_path / "written.json", {})
    with atomic_directory(tmp_path / "directory"):
        (tmp_path / "made").mkdir()
    assert (tmp_path / "written.json").stat().st_mode == plain.stat().st_mode
    assert (tmp_path / "directory").stat().st_mode == (tmp_path / "made").stat().st_mode


def test_tables_keep_every_digit_in_both_formats(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "value": [1 / 3, float("nan")]})
    write_table(tmp_path / "table", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table, check_exact=True)
