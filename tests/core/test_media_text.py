from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering import media
from treering.errors import CorruptData, NotFound, UnsupportedValue, UsageError
from treering.media import KINDS, Histogram, Text, digests, load, load_all, store, wrap
from treering.store.blobs import Blobs
from treering.store.values import Carried, decode, encode


@given(st.text(), st.sampled_from(["plain", "markdown"]))
def test_comes_back_equal(words: str, form: str) -> None:
    text = Text(words, form)  # type: ignore[arg-type]
    assert Text.from_payload(decode(encode(text)).payload) == text
    assert str(text) == words


def test_long_text_leaves_the_column(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    text = Text("Grüße, " * 1000, "markdown")
    reference = store("text", text.to_payload(), blobs)
    assert len(encode(reference)) < 200
    assert load("text", decode(encode(reference)), blobs) == text
    (digest,) = digests(Carried("text", reference))
    assert [digest] == list(blobs.digests())
    short = store("text", Text("short").to_payload(), blobs)
    assert list(digests(short)) == []
    assert load("text", short, blobs) == Text("short")


def test_lone_surrogates_are_shown() -> None:
    assert Text("a\udc80b").text == "a\\udc80b"


def test_refused() -> None:
    with pytest.raises(UnsupportedValue, match=r"got a int; it takes a str\. Write Text\(str\(x\)\)\."):
        Text(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'plain' or 'markdown'"):
        Text("x", "html")  # type: ignore[arg-type]


def test_damage_is_named(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    reference = store("text", Text("x" * 5000).to_payload(), blobs)
    blobs.path(reference["blob"]).write_bytes(b"y" * 5000)
    with pytest.raises(CorruptData):
        load("text", reference, blobs)
    blobs.path(reference["blob"]).unlink()
    with pytest.raises(NotFound):
        load("text", reference, blobs)
    with pytest.raises(CorruptData, match="is no text"):
        load("text", {"format": "plain", "blob": blobs.put(b"\xff" * 2000)}, blobs)
    with pytest.raises(CorruptData, match="newer than this treering"):
        load("hologram", {}, blobs)
    with pytest.raises(CorruptData, match="a Text in the store"):
        Text.from_payload({"text": 3})


def test_kinds() -> None:
    public = {one for one in vars(media).values() if isinstance(one, type) and issubclass(one, media.Media)}
    assert set(KINDS.values()) == public - {media.Media}
    assert all(cls.kind == kind for kind, cls in KINDS.items())


def test_media_inside_lists(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    value = decode(encode({"a": [Text("x"), 1, {"b": Histogram([1, 2])}]}))
    assert load_all(value, blobs) == {"a": [Text("x"), 1, {"b": Histogram([1, 2])}]}
    image = Carried("image", {"blob": "abc"})
    assert list(digests([image, [image], 3])) == ["abc", "abc"]


def test_looks() -> None:
    assert repr(Text("hello")) == "Text('hello')"
    assert repr(Text("x" * 100, "markdown")) == f"Text('{'x' * 57}...', format='markdown')"
    assert Text("<script>")._repr_html_() == "<pre>&lt;script&gt;</pre>"
    assert Text("*x*", "markdown")._repr_markdown_() == "*x*"
    assert Text("*x*", "markdown")._repr_html_() is None
    assert Text("a") != Text("a", "markdown")


def test_wrapping() -> None:
    text = Text("x")
    assert wrap(text) is text
    for value in (3, "x", [1], {"a": 1}, None, object(), Path("x"), Text, int):
        assert wrap(value) is None
