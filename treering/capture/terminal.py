"""What a terminal would show of the text that a program writes: carriage returns, cursor movements, erasing, colours.

A small line discipline instead of a terminal emulator (pyte, say): an emulator keeps a screen of fixed size, so it cuts
or wraps lines at a width that nobody knows here, forgets what scrolls away, and spends 50 times as long on a line of
plain text, on the thread that prints. Here a line has any length up to a bound, lines have no end, and text without
control characters costs one append. What is left out on purpose: wrapping, scroll regions, insertion of lines, and the
width of characters (a wide one counts as one column, which is how programs that overwrite their own line count too).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAX_LINE_CHARS", "WINDOW_LINES", "Line", "Screen"]

MAX_LINE_CHARS = 10_000
WINDOW_LINES = 128  # how far up the cursor can go: terminals are rarely taller

_MAX_PENDING = 4_096
_STRING_END = re.compile(r"\x07|\x1b\\|\n")
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x08\x0a-\x1f\x7f-\x9f]+)"  # a tab is text, one column wide
    r"|\x1b\[(?P<arguments>[0-9:;<=>?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # titles, links, pictures
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b(?P<escape>[0-OQ-WYZ\\`a-~])"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])"
)
# What each number of a colour sequence is about; the later one of a kind counts.
_STYLES: dict[str, str] = {
    **dict.fromkeys(("1", "2"), "weight"),
    **dict.fromkeys(("4", "21"), "underline"),
    **dict.fromkeys(("5", "6"), "blink"),
    **dict.fromkeys((str(number) for number in (*range(30, 39), *range(90, 98))), "colour"),
    **dict.fromkeys((str(number) for number in (*range(40, 49), *range(100, 108))), "ground"),
    "3": "italic",
    "7": "reverse",
    "8": "hidden",
    "9": "strike",
}
_STYLES_OFF = {
    "22": "weight",
    "23": "italic",
    "24": "underline",
    "25": "blink",
    "27": "reverse",
    "28": "hidden",
    "29": "strike",
    "39": "colour",
    "49": "ground",
}
_MORE_CODES = {"5": 1, "2": 3}  # 38;5;COLOUR and 38;2;RED;GREEN;BLUE
_ALTERNATE_SCREENS = {"?47", "?1047", "?1049"}


class Line:
    """One line of output.

    Attributes:
        number: its place in the output, from the first character or line break on.
        changed: whether it may read otherwise than when it was last shown.
        shown: its text when it was last shown.
        shown_at_s, born_at_s: clock of whoever shows it.
    """

    # On the class, so that a line costs next to nothing until something unusual happens to it.
    number: int | None = None
    changed = False
    shown: str | None = None
    shown_at_s = 0.0
    born_at_s = 0.0
    _text = ""
    _styles: list[str] | None = None  # of each character; None while all are plain
    _cut = 0

    def put(self, text: str, column: int, style: str) -> int:
        """Write over what stands at `column`, and return the column behind it."""
        self.changed = True
        length = len(self._text)
        end = column + len(text)
        if end > MAX_LINE_CHARS:
            self._cut = max(self._cut, end - MAX_LINE_CHARS)
            text = text[: max(MAX_LINE_CHARS - column, 0)]
            column = min(column, MAX_LINE_CHARS)
        if column > length:
            self._pad(column - length)
        if style or self._styles is not None:
            self._put_styles(len(text), column, style)
        if column >= length:
            self._text += text
        else:
            self._text = f"{self._text[:column]}{text}{self._text[column + len(text) :]}"
        return end

    def erase(self, start: int, stop: int | None = None) -> None:
        """Blank columns from `start` up to `stop`, to the end without it."""
        self.changed = True
        if stop is not None and stop < len(self._text):
            self.put(" " * (stop - start), start, "")
            return
        self._text = self._text[:start]
        self._cut = 0
        if self._styles is not None:
            del self._styles[start:]
            if not start:
                self._styles = None

    def delete(self, start: int, count: int) -> None:
        """Take characters out; what stands right of them moves left."""
        self.changed = True
        self._text = self._text[:start] + self._text[start + count :]
        if self._styles is not None:
            del self._styles[start : start + count]

    def insert(self, start: int, count: int) -> None:
        """Make room for characters; what stands right of them moves right."""
        if start < len(self._text):
            self.changed = True
            count = min(count, MAX_LINE_CHARS - len(self._text))
            self._text = self._text[:start] + " " * count + self._text[start:]
            if self._styles is not None:
                self._styles[start:start] = [""] * count

    def render(self) -> str:
        """The text with its colours as escape sequences, without the blanks at its end."""
        text = self._text.rstrip(" ")
        if self._styles is not None:
            parts: list[str] = []
            at = 0
            for style, run in itertools.groupby(self._styles[: len(text)]):
                end = at + sum(1 for _ in run)
                parts.append(f"\x1b[{style}m{text[at:end]}\x1b[0m" if style else text[at:end])
                at = end
            text = "".join(parts)
        return f"{text}... ({self._cut} more characters)" if self._cut else text

    def _pad(self, count: int) -> None:
        self._text += " " * count
        if self._styles is not None:
            self._styles += [""] * count

    def _put_styles(self, count: int, column: int, style: str) -> None:
        if self._styles is None:
            self._styles = [""] * len(self._text)
        self._styles[column : column + count] = [style] * count


class Screen:
    """The lines of one stream that the cursor can still reach. Not safe for threads.

    Args:
        next_number: gives the number of the next line; asked when a line gets its first character or ends.
        ended: called with a line when the cursor leaves it for a new one, and when it gets out of reach.
    """

    def __init__(self, next_number: Callable[[], int], ended: Callable[[Line], None]) -> None:
        self._next_number = next_number
        self._ended = ended
        self._lines = [Line()]
        self._row = 0
        self._column = 0
        self._style = ""
        self._styles_on: dict[str, str] = {}
        self._pending = ""
        self._skipping = False
        self._home: Line | None = None
        self._saved = (self._lines[0], 0)
        self._alternate = False
        self._plain: dict[str, Callable[[str], None]] = {
            "text": self._put,
            "control": self._control,
            "escape": self._escape,
        }
        self._sequences: dict[str, Callable[[str, str], None]] = {
            **dict.fromkeys("ABCDEFG`", self._move),
            **dict.fromkeys("Hfd", self._go_to),
            **dict.fromkeys("JK", self._erase),
            **dict.fromkeys("PX@", self._edit),
            **dict.fromkeys("su", self._keep_place),
            "m": self._set_style,
        }

    def write(self, text: str) -> None:
        """Take text as a terminal does; a sequence that is not complete yet waits for its end."""
        if not (self._pending or self._skipping or self._alternate):
            if text.isprintable():
                self._put(text)
                return
            if text[-1] == "\n" and (text == "\n" or text[:-1].isprintable()):
                self._put(text[:-1])
                self._line_feed()
                return
        self._interpret(text)

    def changed_lines(self) -> Iterator[Line]:
        """Lines within reach that may read otherwise than when they were last shown."""
        return (line for line in self._lines if line.changed and line.number is not None)

    def _put(self, text: str) -> None:
        if text:
            line = self._lines[self._row]
            if line.number is None:
                self._number_lines()
            self._column = line.put(text, self._column, self._style)

    def _number_lines(self) -> None:
        for line in self._lines:
            if line.number is None:
                line.number = self._next_number()
                line.changed = True

    def _line_feed(self) -> None:
        self._column = 0
        self._row += 1
        if self._row < len(self._lines):
            return
        line = self._lines[-1]
        if line.number is None:
            self._number_lines()
        self._lines.append(Line())
        self._ended(line)
        if len(self._lines) > WINDOW_LINES:
            self._row -= 1
            gone = self._lines.pop(0)
            if gone.changed and gone.number is not None:
                self._ended(gone)

    def _interpret(self, text: str) -> None:
        text, self._pending = self._skip(self._pending + text), ""
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup
            if kind == "control" and match[0] == "\x1b":
                rest = text[match.start() :]
                if _may_go_on(rest):
                    # Of a picture's megabytes only the end matters.
                    self._skipping = len(rest) > _MAX_PENDING
                    self._pending = "" if self._skipping else rest
                    return
            elif kind == "final":
                self._sequence(match["arguments"], match["final"])
            elif kind is not None and not self._alternate:
                self._plain[kind](match[0])

    def _skip(self, text: str) -> str:
        """What is left after the end of a string that is not kept."""
        end = _STRING_END.search(text) if self._skipping else None
        if end is None:
            return "" if self._skipping else text
        self._skipping = False
        return text[end.start() if end[0] == "\n" else end.end() :]

    def _control(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character in "\n\v\f":
            self._line_feed()
        elif character == "\b":
            self._column = max(self._column - 1, 0)

    def _escape(self, sequence: str) -> None:
        character = sequence[1]
        if character in "78":
            self._keep_place(character, "")
        elif character in "DE":
            self._line_feed()
        elif character == "M":
            self._row = max(self._row - 1, 0)

    def _sequence(self, arguments: str, final: str) -> None:
        if final in "hl":
            if not _ALTERNATE_SCREENS.isdisjoint(arguments.split(";")):
                self._alternate = final == "h"
        elif final in self._sequences and not self._alternate and arguments[:1] not in {"<", "=", ">", "?"}:
            self._sequences[final](final, arguments)

    def _move(self, final: str, arguments: str) -> None:
        count = _numbers(arguments)[0]
        if final in "AF":
            self._row = max(self._row - count, 0)
        elif final in "BE":
            self._row = min(self._row + count, len(self._lines) - 1)
        if final == "C":
            self._column = min(self._column + count, MAX_LINE_CHARS)
        elif final == "D":
            self._column = max(self._column - count, 0)
        elif final in "G`":
            self._column = min(count - 1, MAX_LINE_CHARS)
        elif final in "EF":
            self._column = 0

    def _go_to(self, final: str, arguments: str) -> None:
        """Go to a place counted from the top of the screen: from the first line that was reached so."""
        row, column = _numbers(arguments)[:2]
        home = self._start_of_screen()
        while len(self._lines) <= home + row - 1 < WINDOW_LINES:
            self._lines.append(Line())
        self._row = min(home + row - 1, len(self._lines) - 1)
        if final != "d":
            self._column = min(column - 1, MAX_LINE_CHARS)

    def _start_of_screen(self) -> int:
        if self._home not in self._lines:
            # What was printed before a program takes the whole screen stays as it is.
            self._row = len(self._lines) - 1
            if self._lines[-1].number is not None:
                self._line_feed()
            self._home = self._lines[-1]
        return self._lines.index(self._home)

    def _erase(self, final: str, arguments: str) -> None:
        line = self._lines[self._row]
        if final == "K" or arguments in {"", "0"}:
            if arguments in {"", "0"}:
                line.erase(self._column)
            elif arguments == "1":
                line.erase(0, self._column + 1)
            else:
                line.erase(0)
            below = self._lines[self._row + 1 :] if final == "J" else []
        elif arguments in {"2", "3"}:
            below = self._lines[self._start_of_screen() :]
        else:
            below = []
        for other in below:
            other.erase(0)

    def _edit(self, final: str, arguments: str) -> None:
        line = self._lines[self._row]
        count = min(_numbers(arguments)[0], MAX_LINE_CHARS)
        if final == "P":
            line.delete(self._column, count)
        elif final == "X":
            line.erase(self._column, self._column + count)
        else:
            line.insert(self._column, count)

    def _keep_place(self, final: str, _arguments: str) -> None:
        if final in "s7":
            self._saved = (self._lines[self._row], self._column)
            return
        line, self._column = self._saved
        if line in self._lines:
            self._row = self._lines.index(line)

    def _set_style(self, _final: str, arguments: str) -> None:
        codes = iter(arguments.split(";"))
        for code in codes:
            number = code.partition(":")[0].lstrip("0")
            if number in _STYLES:
                if number in {"38", "48"} and ":" not in code:
                    mode = next(codes, "")
                    more = [next(codes, "0") for _ in range(_MORE_CODES.get(mode, 0))]
                    code = ";".join([code, mode, *more])  # noqa: PLW2901 - one colour, in several codes
                self._styles_on[_STYLES[number]] = code
            elif number in _STYLES_OFF:
                self._styles_on.pop(_STYLES_OFF[number], None)
            elif not number:
                self._styles_on.clear()
        self._style = ";".join(self._styles_on.values())


def _numbers(arguments: str) -> list[int]:
    """At least two numbers from 1 on; 1 where none is given."""
    values = [int(value[:5]) if value.isdigit() else 1 for value in arguments.split(";")]
    return [max(value, 1) for value in [*values, 1, 1]]


def _may_go_on(text: str) -> bool:
    """Whether what begins with an escape character can still become a sequence."""
    return re.fullmatch(r"\x1b(?:[\]PX^_][^\x07\n]*|\[[0-9:;<=>?]*[ -/]*|[ -/]*)", text) is not None
