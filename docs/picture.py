"""Draws docs/assets/terminal.svg from a store: `python docs/picture.py STORE RUN KEY`. Nothing in it is made up."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH, HEIGHT = 100, 18
TARGET = Path(__file__).parent / "assets" / "terminal.svg"


def on_a_terminal(command: list[str], store: str) -> str:
    """What a command prints when it writes to a terminal of our width."""
    main, side = pty.openpty()
    environ = {**os.environ, "TREERING_DIR": store, "COLUMNS": str(WIDTH), "LINES": "40", "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdout=side, stderr=side, env={**environ, "COLORTERM": "truecolor"})
    os.close(side)
    output = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        output += part
    process.wait()
    return output.decode().replace("\r\n", "\n")


def main(store: str, run: str, key: str) -> None:
    """Run the two commands and keep their output as a picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    plot = ["plot", run, key, "--width", str(WIDTH - 2), "--height", str(HEIGHT)]
    for words in (["runs"], plot):
        console.print(Text("$ treering " + " ".join(words[:3]), style="bold"))
        console.print(Text.from_ansi(on_a_terminal(["treering", *words], store).rstrip("\n")))
        console.print()
    svg = console.export_svg(title="treering")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # they would be asked for from another host
    svg = svg.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
    TARGET.write_text(re.sub(r"[ \t]+\n", "\n", svg), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
