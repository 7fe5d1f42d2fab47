"""What a terminal would show: the line discipline alone, and beside a real terminal emulator."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from treering.capture.terminal import MAX_LINE_CHARS, WINDOW_LINES, Line, Screen


class Paper:
    """A screen, and the lines that went through it, by number."""

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self.ended: list[str] = []
        self.screen = Screen(itertools.count().__next__, self._ended)

    def _ended(self, line: Line) -> None:
        assert line.number is not None
        self.lines[line.number] = line
        self.ended.append(line.render())

    def show(self) -> list[str]:
        for line in self.screen.changed_lines():
            assert line.number is not None
            self.lines[line.number] = line
        return [line.render() for _, line in sorted(self.lines.items())]


def shown(*texts: str) -> list[str]:
    paper = Paper()
    for text in texts:
        paper.screen.write(text)
    return paper.show()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\nb\n", ["a", "", "b"]),
        ("a\r\nb", ["a", "b"]),
        ("10%\r20%\r100%\n", ["100%"]),
        ("long line\rshort", ["shortline"]),
        ("long line\r\x1b[Kshort", ["short"]),
        ("long line\x1b[2K\rshort", ["short"]),
        ("abc\x1b[2D\x1b[1KX", [" Xc"]),
        ("abc\x1b[2D\x1b[1Xz", ["azc"]),
        ("ab\b\bcd", ["cd"]),
        ("ab\b \b", ["a"]),
        ("\b\b\bx", ["x"]),
        ("a   ", ["a"]),
        ("a\tb", ["a\tb"]),
        ("\x1b[3Cx", ["   x"]),
        ("abcd\x1b[2Gx", ["axcd"]),
        ("abcd\r\x1b[2Px", ["xd"]),
        ("abcd\r\x1b[2@x", ["x abcd"]),
        ("one\ntwo\x1b[A\rONE", ["ONE", "two"]),
        ("one\ntwo\nthree\x1b[2F1\x1b[E2", ["1ne", "2wo", "three"]),
        ("one\ntwo\nthree\x1b[2A\r\x1b[J", ["", "", ""]),
        ("a\nb\x1b[9Ax\x1b[9By", ["ax", "b y"]),
        ("a\n\x1b7b\nc\x1b8X", ["a", "X", "c"]),
        ("a\x1b[sbc\x1b[uX", ["aXc"]),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["alink"]),
        ("\x1bPsixel\x1b\\a\x1b(Bb\x1b=c\x07\x00\x9b", ["abc"]),
        ("a\x1b[?25l\x1b[?2004hb\x1b[6n\x1b[5 q", ["ab"]),
        ("kept\n\x1b[?1049hfull screen\n\x1b[?1049lafter", ["kept", "after"]),
        ("kept\n\x1b[2J\x1b[Hframe 1\nx\x1b[2J\x1b[Hframe 2\n", ["kept", "frame 2", ""]),
        ("kept\n\x1b[H\x1b[Jframe 1\nx\n\x1b[H\x1b[Jframe 2", ["kept", "frame 2", ""]),
        ("kept\x1b[2;3Hx\x1b[1;1Hy", ["kept", "y", "  x"]),
        ("a\x1b", ["a"]),
        ("a\x1b]0;no end\nb\n", ["a]0;no end", "b"]),
        ("a\x1b]1337;File=" + "A" * 100_000 + "\x07b\x1bP" + "B" * 50_000 + "\x1b\\c", ["abc"]),
        ("a\x1b[", ["a"]),
        ("\x1b[31mred\x1b[0m plain", ["\x1b[31mred\x1b[0m plain"]),
        ("\x1b[1;38;5;208mx\x1b[39my\x1b[mz", ["\x1b[1;38;5;208mx\x1b[0m\x1b[1my\x1b[0mz"]),
        ("\x1b[48;2;1;2;3;4mx\x1b[24;49my", ["\x1b[48;2;1;2;3;4mx\x1b[0my"]),
        ("\x1b[38:2::1:2:3mx", ["\x1b[38:2::1:2:3mx\x1b[0m"]),
        ("\x1b[31mred\x1b[0m\rbl", ["bl\x1b[31md\x1b[0m"]),
        ("\x1b[32mgreen\nstill\x1b[0m", ["\x1b[32mgreen\x1b[0m", "\x1b[32mstill\x1b[0m"]),
        ("wide 漢字 \u00e9 e\u0301 😀\n", ["wide 漢字 \u00e9 e\u0301 😀"]),
    ],
)
def test_sequences(text: str, expected: list[str]) -> None:
    assert shown(text) == expected
    if len(text) < 1000:
        assert shown(*text) == expected  # a write for each character
    assert shown(*(text[at : at + 777] for at in range(0, len(text), 777))) == expected


def test_colours_do_not_pile_up() -> None:
    text = "".join(f"\x1b[{30 + number % 8}mx" for number in range(1000))
    assert max(map(len, shown(text)[0].split("x"))) < 12


def test_a_line_ends_once_and_is_told_at_once() -> None:
    paper = Paper()
    paper.screen.write("a\nb")
    assert paper.ended == ["a"]
    paper.screen.write("\n\n")
    assert paper.ended == ["a", "b", ""]
    paper.screen.write("\x1b[2A\r\n\n")  # through lines that ended already
    assert paper.ended == ["a", "b", ""]


def test_long_lines_are_cut() -> None:
    (line,) = shown("x" * (MAX_LINE_CHARS - 2), "yyyy", "z" * 50_000_000)
    assert line == "x" * (MAX_LINE_CHARS - 2) + "yy... (50000002 more characters)"
    assert shown("a" * 20_000 + "\r\x1b[Kb") == ["b"]
    assert len(shown("\x1b[99999Cx" + "\x1b[99999@" * 10 + "y")[0]) < MAX_LINE_CHARS + 100


def test_only_a_window_is_remembered() -> None:
    paper = Paper()
    for number in range(5 * WINDOW_LINES):
        paper.screen.write(f"{number}\n")
    paper.screen.write("\x1b[9999A\r#")
    lines = paper.show()
    assert len(lines) == 5 * WINDOW_LINES
    assert [number for number, line in enumerate(lines) if "#" in line] == [4 * WINDOW_LINES + 1]


def test_a_line_that_leaves_the_window_is_shown_last() -> None:
    paper = Paper()
    paper.screen.write("first\nsecond\x1b[A\rFIRST\n\n")
    paper.ended.clear()
    paper.screen.write("\n" * WINDOW_LINES)
    assert "FIRST" in paper.ended


TEXTS = st.text(alphabet="ab \r\n\b\x1b[0123;mKJABCDGHsu]\x07漢\t", max_size=60)


@given(TEXTS)
def test_any_text_in_pieces_gives_the_same(text: str) -> None:
    assert shown(*text) == shown(text)


@given(TEXTS)
def test_no_control_characters_but_colours_are_left(text: str) -> None:
    for line in shown(text):
        for part in line.split("\x1b["):
            assert all(character.isprintable() or character == "\t" for character in part)


@pytest.mark.parametrize(
    "text", ["\x1b]" * 200_000, "\x1b[" + "1;" * 300_000, "\x1b" * 300_000, "\x1bP" + "a" * 500_000]
)
def test_sequences_that_never_end(text: str) -> None:
    paper = Paper()
    before = time.process_time()
    for at in range(0, len(text), 10_000):
        paper.screen.write(text[at : at + 10_000])
    paper.screen.write("\nafter\n")
    assert time.process_time() - before < 5
    assert paper.show()[-1] == "after"


def moves(count: int) -> st.SearchStrategy[str]:
    """Up, something, and down again: a terminal's cursor can go below the last line, ours cannot."""
    up_and_down = st.sampled_from(["\x1b[{0}A{1}\x1b[{0}B", "\x1b[{0}A\r{1}\x1b[{0}B", "\x1b[{0}F{1}\x1b[{0}E"])
    return st.builds(str.format, up_and_down, st.just(count), PIECES)


PIECES = st.one_of(
    st.text(alphabet="abcdef ", max_size=8),
    st.sampled_from(
        ["\r", "\b", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[2D", "\x1b[3C", "\x1b[4G", "\x1b[2P", "\x1b[2X"]
    ),
    st.sampled_from(["\x1b[31m", "\x1b[0m", "\x1b[1;44m", "\x1b[s", "\x1b[2@", "\x1b]0;t\x07", "\x1b[?25l"]),
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    parts: list[str] = []
    lines = 0
    for _ in range(draw(st.integers(0, 12))):
        if lines and draw(st.booleans()):
            parts.append(draw(moves(draw(st.integers(1, lines)))))
        elif draw(st.booleans()):
            parts.append("\n")
            lines += 1
        else:
            parts.append(draw(PIECES))
    return "".join(parts)


@settings(max_examples=60)
@given(programs())
@example("abc\n\x1b[1A\x1b[2C\x1b[1B")
def test_the_same_as_a_terminal_emulator(text: str) -> None:
    pyte: Any = pytest.importorskip("pyte")
    screen = pyte.Screen(150, 20)
    screen.set_mode(pyte.modes.LNM)  # a terminal driver turns a line feed into a new line
    pyte.Stream(screen).feed(text)
    expected = [line.rstrip() for line in screen.display]
    lines: list[str] = []
    for line in shown(text):
        plain = "".join(part if at == 0 else part.partition("m")[2] for at, part in enumerate(line.split("\x1b[")))
        lines.append(plain.rstrip())
    assert lines + [""] * (len(expected) - len(lines)) == expected
