"""What a grid shows of itself, in a terminal and elsewhere."""

import io
import math

import pytest
from rich.console import Console
from toy import SETTINGS, toy_params

from suite.training.board import Board, duration
from suite.training.specification import specify
from suite.training.trained import Trained


class Clock:
    """A clock that a test winds."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def specs():
    """Two runs of batch 16 and one of batch 32."""
    return specify(toy_params(), "toy", "supap", "toy-digest")


def board_of(specs, clock, width=120, terminal=False):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False)
    return Board(specs, console, clock)


def printed(board):
    return board.console.file.getvalue()


def news(step, **more):
    return {"step": step, "loss": 0.25} | more


def trained(score=0.5):
    empty = {"state": {}, "history": None, "queries": None, "snapshots": {}, "telemetry": None}
    numbers = {"steps": 4, "epochs": 1, "best_epoch": 1, "step_seconds": 0.1, "step_bytes": 0}
    return Trained(metrics={"val/level0/AP": score}, **empty, **numbers)


def test_time_left_is_not_told_before_anything_is_known(specs, clock):
    board = board_of(specs, clock)
    assert math.isnan(board.seconds_left())
    board.start(specs[0], 100)
    clock.now += 5
    assert math.isnan(board.seconds_left())
    assert board.summary() == "0 of 3 runs done, time left not known yet"


def test_time_left_follows_the_pace_of_what_runs_and_shares_the_rest_among_the_workers(specs, clock):
    board = board_of(specs, clock)
    board.start(specs[0], 100)
    clock.now += 10
    board.advance(specs[0], [news(10)])
    # 1 s a step: 90 s of this run, 100 s of each of the two to come, by one worker.
    assert board.seconds_left() == pytest.approx(90 + 100 + 100)
    clock.now += 5
    assert board.seconds_left() == pytest.approx(85 + 100 + 100)
    board.start(specs[1], 100)
    assert board.seconds_left() == pytest.approx((85 + 100 + 100) / 2)


def test_a_run_that_ended_tells_how_long_its_like_take(specs, clock):
    board = board_of(specs, clock)
    alike, other = [spec for spec in specs if spec.batch_size == 16], specs[[s.batch_size for s in specs].index(32)]
    for spec, seconds in ((alike[0], 40.0), (other, 10.0)):
        board.start(spec, 100)
        board.end(spec, seconds, trained(), None)
    assert board.seconds_left() == pytest.approx(40.0)
    assert board.summary() == "2 of 3 runs done, 40.0 s left"
    board.start(alike[1], 100)
    clock.now += 60
    # Longer than its like: it may end at any moment.
    assert board.seconds_left() == 0.0


def test_what_a_checkpoint_had_done_already_does_not_count_as_pace(specs, clock):
    board = board_of(specs[:1], clock)
    board.start(specs[0], 1000)
    clock.now += 1
    board.advance(specs[0], [news(500)])
    clock.now += 10
    board.advance(specs[0], [news(510)])
    assert board.seconds_left() == pytest.approx(490)


def test_without_a_terminal_there_are_plain_lines_and_no_more_than_one_a_minute_of_how_far(specs, clock):
    board = board_of(specs, clock)
    with board:
        board.start(specs[0], 100)
        for _ in range(130):
            clock.now += 1
            board.refresh()
        board.advance(specs[0], [news(100)])
        board.postpone(specs[1], "FloatingPointError: the loss is nan [batch 3]")
        board.end(specs[0], 130.0, trained(0.61234), None)
        board.end(specs[1], 2.0, None, "FloatingPointError: the loss is nan [batch 3]")
    lines = printed(board).splitlines()
    assert "\x1b" not in printed(board)
    assert lines == [
        "0 of 3 runs done, time left not known yet",
        "0 of 3 runs done, time left not known yet",
        "toy supap batch 16 seed 1 lr 0.01: failed: FloatingPointError: the loss is nan [batch 3]; it is tried again "
        "after the others",
        "toy supap batch 16 seed 0 lr 0.01: validation mAP 0.6123 (2 min 10 s)",
        "toy supap batch 16 seed 1 lr 0.01: failed again: FloatingPointError: the loss is nan [batch 3]",
    ]
    assert board.summary() == "2 of 3 runs done, 1 failed, 1 tried again, 2 min 10 s left"


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_fits_the_terminal_and_shows_what_runs(specs, clock, width):
    board = board_of(specs, clock, width)
    board.start(specs[0], 12_500)
    board.start(specs[1], 12_500)
    clock.now += 60
    board.advance(specs[0], [news(2_500, examples_per_second=1234.5, **{"val/level0/AP": 0.71})])
    board.console.print(board.table())
    lines = printed(board).splitlines()
    assert max(map(len, lines)) <= width
    (first,) = [line for line in lines if "2,500/12,500" in line]
    assert {"0.2500", "0.7100", "4 min 00 s"} <= {cell.strip() for cell in first.split("  ")}
    assert any("0/12,500" in line for line in lines)
    assert ("1,234" in first) == (width >= 100)
    assert lines[-1].startswith("0 of 3 runs done, ")


def test_a_terminal_shows_the_table_and_keeps_the_lines_of_ended_runs(clock):
    specs = specify(toy_params(losses=SETTINGS["losses"]), "toy", "supap", "toy-digest")
    board = board_of(specs, clock, terminal=True)
    with board:
        board.start(specs[0], 100)
        board.refresh()
        board.end(specs[0], 3.0, trained(), None)
        board.refresh()
    assert "0/100" in printed(board)
    assert "validation mAP 0.5000 (3.0 s)" in printed(board)


def test_durations_read_as_people_write_them():
    assert [duration(seconds) for seconds in (0.04, 59.9, 245, 11_220)] == [
        "0.0 s",
        "59.9 s",
        "4 min 05 s",
        "3 h 07 min",
    ]
