"""The file of published figures is read whole or refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.recipes.published import published_figures

HEAD = "method,loss,dataset,protocol,metric,k,value,backbone,source,recipe,note"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_no_figure_stands_twice_and_all_are_of_known_metrics():
    found = published_figures()
    keys = [(figure.method, figure.dataset, figure.protocol, figure.title, figure.backbone) for figure in found]
    assert len(keys) == len(set(keys)) == 27
    assert {figure.title for figure in found} == {"R@1", "R@4", "R@5", "R@16", "R@32", "average mAP"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["method,value", "a,1"], r"expected the columns method, loss, .* found method, value"),
        ([HEAD, "A,a,d,,R,1,80.1,,s,,"], "line 2: has no backbone"),
        ([HEAD, "A,a,d,,R,one,80.1,b,s,,"], "line 2: k and value are numbers, found 'one' and '80.1'"),
        ([HEAD, "A,a,d,,R,1,80.1,b,s,,", "A,a,d,,R,1,0.8e3,b,s,,"], "line 3: value is in percent, found 800"),
        ([HEAD, "A,a,d,,R,,80.1,b,s,,"], "line 2: metric is R with a cut-off k"),
        ([HEAD, "A,a,d,,NDCG,,80.1,b,s,,"], "line 2: metric is R with a cut-off k, .* found 'NDCG'"),
    ],
)
def test_bad_files_are_refused(lines: list[str], message: str, tmp_path: Path):
    with pytest.raises(SuiteError, match=message):
        published_figures(write(tmp_path / "published.csv", *lines))
