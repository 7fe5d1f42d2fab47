"""Blocks, drawings, and the file that a report becomes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from dashboard_yard import HOSTILE
from store_builder import StoreBuilder

from treering.api import Api
from treering.cli._app import app
from treering.errors import NotFound, StoreError, UsageError
from treering.reports import BlockError, read_block
from treering.reports.drawing import draw, number, ticks
from treering.reports.finding import Curve
from treering.reports.markup import render
from treering.reports.smoothing import share, smooth


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("chart", "", "needs keys"),
        ("chart", "kezs: a", "did you mean"),
        ("chart", "keys: a\nwhat: 1", "there are title"),
        ("chart", "keys: {a: b}", "takes a text"),
        ("chart", "keys: a\nsmoothing: wild 3", "ema 60"),
        ("chart", "keys: a\nsmoothing: ema 101", "0 to 100"),
        ("chart", "keys: a\nlog: z", "x, y or xy"),
        ("chart", "keys: a\nrange: [1, 0]", "both ends"),
        ("chart", "keys: a\nlimit: 0", "1 to 500"),
        ("chart", "keys: a\nlimit: true", "whole number"),
        ("chart", "keys: a\nruns: [x]\nfilter: a = 1", "not both"),
        ("chart", "keys: a\nkeys: b", "chart:2"),
        ("chart", "keys: [a", "chart:1"),
        ("runs", "columns: [lr]", "config.KEY"),
        ("runs", "- a", "name: value"),
        ("pie", "", "there is no block"),
        ("chart", "[" * 20_000, "brackets"),
        ("chart", "- " * 9_000, "nested too deeply"),
    ],
)
def test_a_block_that_cannot_be_read_says_what_to_write(kind: str, text: str, said: str) -> None:
    with pytest.raises(BlockError, match=re.escape(said)):
        read_block(kind, text)


def test_yaml_and_json_say_the_same() -> None:
    yaml = read_block("chart", "keys: [a, b/*]\nx: _time\nsmoothing: gauss 20\nlog: y\nrange: [0, 1e3]\nlimit: 7")
    json = '{"keys": ["a", "b/*"], "x": "_time", "smoothing": {"kind": "gauss", "strength": 20}, "log": "y"'
    assert yaml == read_block("chart", json + ', "range": [0, 1000], "limit": 7}')
    assert read_block("chart", "key: a\nsmooth: 30") == read_block("chart", "keys: a\nsmoothing: ema 30")


def test_smoothing_is_what_its_name_says() -> None:
    x, y = np.arange(50.0), np.random.default_rng(3).normal(size=50)
    y[7], y[9] = np.nan, np.inf
    good = np.isfinite(y)
    width = share(60) * 49
    for kind in ("ema", "gauss", "mean", "median"):
        found = smooth(x, y, kind, 60, 49)
        assert np.isnan(found[7])
        assert np.isinf(found[9])
        for at in np.flatnonzero(good):
            far = np.abs(x - x[at])
            if kind == "ema":
                weights = np.where(good & (x <= x[at]), np.exp(-far / width), 0)
            elif kind == "gauss":
                weights = np.where(good & (far <= 1.5 * width), np.exp(-0.5 * (far / (width / 2)) ** 2), 0)
            else:
                weights = np.where(good & (far <= width / 2), 1.0, 0)
            inside = y[weights > 0]
            right = np.median(inside) if kind == "median" else weights[weights > 0] @ inside / weights.sum()
            assert found[at] == pytest.approx(right)
    assert smooth(x, y, "none", 60, 49) is y


def test_ticks_are_round_and_few() -> None:
    assert ticks(0, 100, room=5, log=False) == [0, 20, 40, 60, 80, 100]
    assert ticks(1e-3, 10, room=8, log=True) == [1e-3, 1e-2, 1e-1, 1, 10]
    assert ticks(0, 7200, room=5, log=False, spans=True) == [0, 1800, 3600, 5400, 7200]
    for low, high in ((5.0, 5.0), (1e300, 1.7e308), (-1e-300, 1e-300), (0, 1e-320)):
        assert len(ticks(low, high, room=1000, log=False)) <= 101
    assert [number(value) for value in (0.03125, 12_345.0, float("nan"), -1e-9)] == [
        "0.03125",
        "12.3k",
        "NaN",
        "\u22121e\u221209",
    ]


def test_a_drawing_has_every_extreme_and_marks_what_is_no_number() -> None:
    x = np.arange(6.0)
    picture = draw([Curve("a", x, np.array([1, 2, np.nan, 9, np.inf, -np.inf]), 6), None, Curve("b", x, x, 6)])
    assert (picture.odd, picture.total, [line[0] for line in picture.lines]) == (3, 12, ["a", "b"])
    assert picture.y[0] < 0
    assert picture.y[1] > 9
    assert 'class="s0"' in picture.svg
    assert 'class="s2"' in picture.svg  # the second keeps its colour, although it has no points here
    assert draw([]).lines == []
    log = draw([Curve("a", x, x - 2, 6)], log="xy")
    assert "nan" not in log.svg
    assert log.y[0] > 0


def test_markdown_makes_no_tags_of_its_writers() -> None:
    for text in ("<script>alert(1)</script>", "<b>x</b>", "[x](javascript:alert(1))", "![x](https://e.example/x.png)"):
        found = render(text, lambda _kind, _text: "")
        assert not re.search(r"<(script|b|img)|href=\"javascript", found)
    assert render("| a |\n|--:|\n| 1 |", lambda _kind, _text: "").count('class="to-right"') == 2
    assert "style=" not in render("| a |\n|--:|\n| 1 |", lambda _kind, _text: "")
    assert render("```chart x\nkeys: a\n```", lambda kind, text: f"<{kind}|{text}>") == "<chart|keys: a\n>"


class Tags(HTMLParser):
    """Which elements a file has, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page") / "store"
    builder = StoreBuilder(place)
    for at, text in enumerate(HOSTILE):
        run = builder.run(f"r{at}", project="p", name=text, config={text: text}, summary={text: text}, tags=[text])
        run.log([(step, {f"m{text}": float(step), "loss": 1 / (step + 1)}) for step in range(5)])
    builder.database.close()
    return place


def test_hostile_names_are_text_in_the_file(folder: Path, tmp_path: Path) -> None:
    text = "\n".join(HOSTILE) + "\n\n```chart\nkeys: ['*']\n```\n\n```runs\n```\n\n```chart\nkez: '<script>'\n```"
    with Api(folder) as api:
        report = api.create_report("p", HOSTILE[1], text, HOSTILE[0])
        written = report.export(tmp_path / "r.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(written)
    assert not [one for one in tags.found if any(name.startswith("on") or name == "style" for name in one[1])]
    assert {tag for tag, _ in tags.found}.isdisjoint({"img", "iframe", "object", "link", "base", "form"})
    scripts = [attributes for tag, attributes in tags.found if tag == "script"]
    assert len(scripts) == 2 + len(HOSTILE)  # one for each chart, which holds data, and one that runs
    assert [one.get("type") for one in scripts].count(None) == 1
    assert "http" not in "".join(str(one[1].get("href", "")) + str(one[1].get("src", "")) for one in tags.found)
    policy = next(one["content"] for tag, one in tags.found if tag == "meta" and "http-equiv" in one)
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


def test_the_file_holds_the_numbers(folder: Path) -> None:
    with Api(folder) as api:
        written = api.create_report("p", "Numbers", "```chart\nkeys: loss\nlimit: 1\n```").to_html()
    data = re.search(r'<script type="application/json">(.*?)</script>', written)
    assert data is not None
    lines = msgspec.json.decode(data[1])["lines"]
    assert lines[0]["y"] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])


def test_the_command_and_the_api_find_reports(folder: Path, tmp_path: Path) -> None:
    with Api(folder) as api:
        made = api.create_report("p", "Twice", "text", "Ann")
        assert (api.report("Twice").id, api.report(made.id).text, api.reports("q")) == (made.id, "text", [])
        api.create_report("q", "Twice", "")
        assert api.report("Twice", "q").project == "q"
        with pytest.raises(UsageError, match="give an id"):
            api.report("Twice")
        with pytest.raises(NotFound, match="treering report ls"):
            api.report("Thrice")
        with pytest.raises(StoreError, match="cannot be written"):
            made.export(tmp_path / "no" / "such" / "r.html")
        with pytest.raises(UsageError, match="title"):
            api.create_report("p", " ", "")
    runner = CliRunner()
    listed = runner.invoke(app, ["report", "ls", "-p", "p", "--dir", str(folder)])
    assert "Twice" in listed.output
    target = tmp_path / "out.html"
    done = runner.invoke(app, ["report", "export", made.id, "-o", str(target), "--dir", str(folder)])
    assert (done.exit_code, "wrote" in done.output) == (0, True)
    assert "<h1>Twice</h1>" in target.read_text(encoding="utf-8")
