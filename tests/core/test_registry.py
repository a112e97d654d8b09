import pytest

from suite.errors import SuiteError
from suite.registry import Registry


def test_names_resolve_when_asked_and_not_before():
    registry = Registry("thing", "ranksuite.things", {"path": "pathlib:Path", "broken": "no.such.module:Thing"})
    from pathlib import Path

    assert registry.resolve("path") is Path
    assert registry.names() == ["broken", "path"]
    with pytest.raises(ModuleNotFoundError):
        registry.resolve("broken")


def test_an_unknown_name_is_answered_with_the_nearest():
    registry = Registry("loss", "ranksuite.things", {"supap": "a:B", "fastap": "a:C"})
    with pytest.raises(SuiteError, match=r"unknown loss 'supaap': did you mean 'supap'\?"):
        registry.resolve("supaap")
    with pytest.raises(SuiteError, match="unknown loss 'x': known: fastap, supap"):
        registry.resolve("x")


def test_third_parties_add_entries_by_entry_point(tmp_path, monkeypatch):
    package = tmp_path / "thirdparty-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[ranksuite.things]\nfraction = fractions:Fraction\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", "ranksuite.things", {})
    from fractions import Fraction

    assert registry.names() == ["fraction"]
    assert registry.resolve("fraction") is Fraction
