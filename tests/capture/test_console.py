"""The console as it is recorded: real streams, real progress bars, threads, signals, forks."""

from __future__ import annotations

import functools
import gc
import io
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from treering.capture.console import Console


class Record:
    """Rows as they came, and the text that they leave."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []

    def __call__(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)

    def texts(self, source: str | None = None) -> list[str]:
        last = {row["line"]: row["text"] for row in self.rows if source in {None, row["source"]}}
        return [text for _, text in sorted(last.items())]


Test = Callable[..., None]


@pytest.fixture
def streams() -> tuple[io.StringIO, io.StringIO]:
    return io.StringIO(), io.StringIO()


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def console(record: Record) -> Console:
    return Console(record)


def on_own_streams(test: Test) -> Test:
    """Put the test's `streams` in place while it runs (pytest changes them between fixtures and test), and listen."""

    @functools.wraps(test)
    def run_test(**fixtures: Any) -> None:
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = fixtures["streams"]
        console: Console | None = fixtures.get("console")
        try:
            if console:
                console.start()
            test(**fixtures)
            if console:
                console.stop()
                assert console.failures == 0
        finally:
            sys.stdout, sys.stderr = before

    return run_test


@on_own_streams
def test_a_row_for_each_line_at_once(
    console: Console, streams: tuple[io.StringIO, io.StringIO], record: Record
) -> None:
    print("one")
    assert record.rows == [{"line": 0, "text": "one", "source": "stdout"}]
    print("two", file=sys.stderr)
    print("three\n\nfive")
    assert [(row["line"], row["text"], row["source"]) for row in record.rows[1:]] == [
        (1, "two", "stderr"),
        (2, "three", "stdout"),
        (3, "", "stdout"),
        (4, "five", "stdout"),
    ]
    assert streams[0].getvalue() == "one\nthree\n\nfive\n"
    assert streams[1].getvalue() == "two\n"


@on_own_streams
def test_a_line_that_does_not_end_is_shown_at_the_tick(console: Console, streams: object, record: Record) -> None:
    print("Name: ", end="")
    assert record.rows == []
    console.tick()
    assert record.texts() == ["Name:"]
    console.tick()
    assert len(record.rows) == 1
    print("Ada")
    assert [row["line"] for row in record.rows] == [0, 0]
    assert record.texts() == ["Name: Ada"]


@on_own_streams
def test_the_last_line_is_shown_at_the_end(streams: object, record: Record) -> None:
    console = Console(record)
    console.start()
    sys.stdout.write("no line break")
    console.stop()
    assert record.texts() == ["no line break"]


@on_own_streams
def test_a_bar_of_ten_thousand_steps_is_a_handful_of_rows(console: Console, streams: object, record: Record) -> None:
    for step in range(10_001):
        sys.stderr.write(f"\r{step / 100:.0f}%|{'#' * (step // 1000)}")
        if step % 1000 == 0:
            console.tick()
    assert len(record.rows) <= 3
    sys.stderr.write("\n")
    assert record.texts() == ["100%|##########"]


@on_own_streams
def test_the_same_text_again_is_no_new_row(console: Console, streams: object, record: Record) -> None:
    for _ in range(5):
        sys.stderr.write("\r50%")
        console.tick()
    sys.stderr.write("\n")
    assert len(record.rows) == 1


@on_own_streams
def test_bars_grow_slower_with_age(console: Console, streams: object, record: Record) -> None:
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        sys.stderr.write(f"\r{time.monotonic()}")
        console.tick()
        time.sleep(0.01)
    assert len(record.rows) == 2  # the first, and one a second later


@on_own_streams
def test_a_bar_and_messages_do_not_mix(console: Console, streams: object, record: Record) -> None:
    sys.stderr.write("\r10%")
    print("message")
    sys.stderr.write("\r20%")
    print("message")
    sys.stderr.write("\r100%\n")
    assert record.texts("stderr") == ["100%"]
    assert record.texts("stdout") == ["message", "message"]


@on_own_streams
def test_numbering_can_go_on(streams: object, record: Record) -> None:
    console = Console(record, first_line=7)
    console.start()
    print("a")
    print("b")
    console.stop()
    assert [row["line"] for row in record.rows] == [7, 8]


@on_own_streams
def test_secrets_are_masked_and_colours_kept(console: Console, streams: object, record: Record) -> None:
    print("export HF_TOKEN=abc")
    print("\x1b[31mred\x1b[0m\x1b]0;title\x07")
    assert record.texts() == ["export HF_TOKEN=***", "\x1b[31mred\x1b[0m"]


@on_own_streams
def test_references_taken_before_are_heard(streams: tuple[io.StringIO, io.StringIO], record: Record) -> None:
    logger = logging.getLogger("before")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    kept = sys.stdout
    console = Console(record)
    console.start()
    try:
        logger.warning("logged")
        kept.write("kept\n")
        kept.writelines(["many\n", "lines\n"])
    finally:
        console.stop()
        logger.removeHandler(handler)
    assert record.texts() == ["logged", "kept", "many", "lines"]


@on_own_streams
def test_everything_is_undone(streams: tuple[io.StringIO, io.StringIO], record: Record) -> None:
    out = streams[0]
    before = dict(out.__dict__)
    console = Console(record)
    console.start()
    console.start()
    assert "write" in out.__dict__
    console.stop()
    console.stop()
    assert out.__dict__ == before
    assert sys.stdout is out
    print("after")
    assert record.rows == []
    console.start()
    print("again")
    console.stop()
    assert record.texts() == ["again"]


@on_own_streams
def test_a_write_that_was_replaced_before_comes_back(streams: tuple[io.StringIO, io.StringIO], record: Record) -> None:
    out = streams[0]
    seen: list[str] = []
    original = out.write

    def theirs(text: str) -> int:
        seen.append(text)
        return original(text)

    out.write = theirs  # type: ignore[method-assign]  # what some libraries do to the stream
    console = Console(record)
    console.start()
    print("a")
    console.stop()
    assert out.__dict__["write"] is theirs
    assert (seen, record.texts()) == (["a", "\n"], ["a"])


@on_own_streams
def test_somebody_replaces_write_after_us(streams: tuple[io.StringIO, io.StringIO], record: Record) -> None:
    out = streams[0]
    console = Console(record)
    console.start()
    ours = out.write
    out.write = lambda text: ours(text.upper())  # type: ignore[method-assign]
    print("a")
    console.stop()
    print("b")
    assert out.getvalue() == "A\nB\n"
    assert record.texts() == ["A"]
    again = Console(record)
    again.start()
    print("c")
    again.stop()
    assert out.getvalue() == "A\nB\nC\n"
    assert len(record.rows) == 2


@on_own_streams
def test_somebody_undoes_our_replacement(streams: tuple[io.StringIO, io.StringIO], record: Record) -> None:
    out = streams[0]
    original = out.write
    first = Console(Record())
    first.start()
    out.write = original  # type: ignore[method-assign]
    console = Console(record)
    console.start()
    print("a")
    out.write = original  # type: ignore[method-assign]
    print("b")
    console.tick()
    out.write = original  # type: ignore[method-assign]
    first.tick()
    print("c")
    console.stop()
    first.stop()
    assert out.getvalue() == "a\nb\nc\n"
    assert record.texts() == ["a", "c"]


@pytest.mark.parametrize("first", [0, 1])
@on_own_streams
def test_consoles_nest_and_end_in_any_order(streams: tuple[io.StringIO, io.StringIO], first: int) -> None:
    out = streams[0]
    records = [Record(), Record()]
    consoles = [Console(record) for record in records]
    consoles[0].start()
    print("one")
    consoles[1].start()
    print("two")
    consoles[first].stop()
    print("three")
    consoles[1 - first].stop()
    assert "write" not in out.__dict__
    assert out.getvalue() == "one\ntwo\nthree\n"
    expected = [["one", "two", "three"], ["two", "three"]]
    expected[first].remove("three")
    assert [record.texts() for record in records] == expected


@pytest.mark.parametrize("stream", [None, "closed", "no attributes", "no write"])
def test_streams_that_cannot_be_heard(stream: Any, monkeypatch: pytest.MonkeyPatch, record: Record) -> None:
    class Fixed:
        __slots__ = ()

        def write(self, text: str) -> int:
            return len(text)

    odd: Any = {None: None, "closed": io.StringIO(), "no attributes": Fixed(), "no write": object()}[stream]
    if stream == "closed":
        odd.close()
    error = io.StringIO()
    monkeypatch.setattr(sys, "stdout", odd)
    monkeypatch.setattr(sys, "stderr", error)
    console = Console(record)
    console.start()
    if stream == "closed":
        with pytest.raises(ValueError, match="closed"):
            odd.write("x\n")
    elif stream in {None, "no attributes"}:
        print("to nowhere")
    error.write("heard\n")
    console.stop()
    assert record.texts() == ["heard"]


def test_one_stream_for_both(monkeypatch: pytest.MonkeyPatch, record: Record) -> None:
    both = io.StringIO()
    monkeypatch.setattr(sys, "stdout", both)
    monkeypatch.setattr(sys, "stderr", both)
    console = Console(record)
    console.start()
    print("a")
    print("b", file=sys.stderr)
    console.stop()
    assert [(row["text"], row["source"]) for row in record.rows] == [("a", "stdout"), ("b", "stdout")]
    assert "write" not in both.__dict__


@on_own_streams
def test_somebody_puts_an_earlier_one_of_ours_back(console: Console, streams: Any, record: Record) -> None:
    out = streams[0]
    ours = out.write
    out.write = lambda text: None  # swallows everything, so we go before it
    console.tick()
    print("unseen, but written")
    out.write = ours
    console.tick()
    print("once")
    assert record.texts() == ["unseen, but written", "once"]
    assert out.getvalue() == "once\n"


@on_own_streams
def test_what_write_returns_and_raises_is_the_streams_own(console: Console, streams: object, record: Record) -> None:
    assert sys.stdout.write("abc") == 3
    with pytest.raises(TypeError):
        sys.stdout.write(b"abc")  # type: ignore[arg-type]
    sys.stdout.write("d\n")
    assert record.texts() == ["abcd"]


def test_the_stream_of_pytest_itself(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(record)
    console.start()
    print("seen")
    console.stop()
    assert capsys.readouterr().out == "seen\n"
    assert record.texts() == ["seen"]


@on_own_streams
def test_emit_that_prints_and_raises(streams: tuple[io.StringIO, io.StringIO]) -> None:
    rows: list[Mapping[str, Any]] = []

    def emit(row: Mapping[str, Any]) -> None:
        rows.append(row)
        print("emitted", row["text"])
        raise OSError("disk full")

    console = Console(emit)
    console.start()
    print("a")
    print("b")
    console.stop()
    assert [row["text"] for row in rows] == ["a", "b"]
    assert streams[0].getvalue() == "a\nemitted a\nb\nemitted b\n"
    assert console.failures == 2


@on_own_streams
def test_a_mask_that_raises(streams: tuple[io.StringIO, io.StringIO], record: Record) -> None:
    def mask(text: str) -> str:
        if text == "bad":
            raise ValueError
        return text

    console = Console(record, mask=mask)
    console.start()
    print("bad")
    print("good")
    console.stop()
    assert streams[0].getvalue() == "bad\ngood\n"
    assert "good" in record.texts()
    assert console.failures > 0


@on_own_streams
def test_a_lock_that_emit_and_a_printer_both_want(streams: object) -> None:
    lock = threading.Lock()
    inside = threading.Event()
    rows: list[Mapping[str, Any]] = []

    def emit(row: Mapping[str, Any]) -> None:
        inside.set()
        with lock:  # as a journal's, whose holder warns about something
            rows.append(row)

    console = Console(emit)
    console.start()
    with lock:
        other = threading.Thread(target=print, args=("from the other thread",))
        other.start()
        assert inside.wait(10)
        print("from the holder of the lock")
    other.join(10)
    assert not other.is_alive()
    console.stop()
    assert sorted(row["text"] for row in rows) == ["from the holder of the lock", "from the other thread"]


@on_own_streams
def test_threads(console: Console, streams: object, record: Record) -> None:
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            console.tick()

    def work(name: int) -> None:
        for number in range(300):
            sys.stdout.write(f"{name} {number}\n")
            sys.stderr.write(f"\r{name} {number}")

    ticker = threading.Thread(target=tick)
    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in (ticker, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    ticker.join()
    lines = record.texts("stdout")
    assert len(lines) == 8 * 300
    for name in range(8):
        assert [line for line in lines if line.startswith(f"{name} ")] == [f"{name} {number}" for number in range(300)]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
@on_own_streams
def test_signal_handlers_that_print(console: Console, streams: object, record: Record) -> None:
    count = 0

    def handler(*_args: object) -> None:
        nonlocal count
        count += 1
        print("signal")

    before = signal.signal(signal.SIGVTALRM, handler)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0005, 0.0005)
    try:
        for number in range(3000):
            sys.stdout.write(f"{number}\n")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    console.tick()
    text = "\n".join(record.texts())
    # What a handler prints while a row is being emitted is taken for the emitter's own words and left out.
    assert count / 2 < text.count("signal") <= count
    assert text.replace("signal", "").split() == [str(number) for number in range(3000)]


@on_own_streams
def test_finalisers_that_print(console: Console, streams: object, record: Record) -> None:
    class Noisy:
        def __init__(self) -> None:
            self.me = self  # only the cycle collector ends it, anywhere

        def __del__(self) -> None:
            print("gone")

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for number in range(500):
            Noisy()
            print(number)
    finally:
        gc.set_threshold(*threshold)
        gc.collect()
    text = "\n".join(record.texts())
    assert text.count("gone") > 250
    assert text.replace("gone", "").split() == [str(number) for number in range(500)]
