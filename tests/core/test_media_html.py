"""Pages: taken from text, bytes and files, unchanged, and shown where they can do nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import treering
from treering.api import Api
from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media import Html, load, store
from treering.store.blobs import Blobs
from treering.store.values import decode, encode

PAGE = '<!doctype html><h1>Grüße</h1><script>let a = "\'" && 1 < 2</script>'


def test_whatever_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "Report.HTML"
    path.write_text(PAGE, encoding="utf-8")
    for source in (PAGE, PAGE.encode(), path, str(path), io.StringIO(PAGE), io.BytesIO(PAGE.encode())):
        assert Html(source).text == PAGE
    assert Html("see report.html", data_is_not_path=True).text == "see report.html"
    assert Html("<p>report.html").text == "<p>report.html"
    assert Html("\udc80").text == "\\udc80"


@pytest.mark.parametrize(
    ("value", "error"),
    [(3, UnsupportedValue), ({}, UnsupportedValue), (b"\xff\xfe", UsageError), ("/no/such/report.html", UsageError)],
)
def test_what_is_no_page(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="Html got"):
        Html(value)


def test_through_the_store(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    page = Html("<p>a", caption="c")
    reference = store("html", decode(encode(page)).payload, blobs)
    assert set(reference) == {"format", "caption", "blob"}  # never inside an answer
    read = load("html", decode(encode(reference)), blobs)
    assert (read, repr(read)) == (page, "Html(4 bytes, caption='c')")
    with pytest.raises(CorruptData, match="Html"):
        Html.from_payload({"format": "svg", "data": b""})


def test_in_a_notebook_it_stays_in_its_frame() -> None:
    shown = Html('</iframe><script>parent.x=1</script>"')._repr_html_()
    assert shown.count("<iframe") == shown.count("</iframe>") == 1
    assert "<script" not in shown
    assert 'sandbox="allow-scripts"' in shown


def test_logged_and_read_back(store_dir: Path) -> None:
    with treering.init() as run:
        run.log({"report": Html(PAGE), "several": [Html(PAGE), Html("<p>b")]}, step=3)
    (read,) = Api(store_dir).runs()
    assert read.media("report") == [(3, Html(PAGE))]
    assert read.history("several").values[0] == [Html(PAGE), Html("<p>b")]
