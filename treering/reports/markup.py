"""Markdown as HTML that holds no HTML of its writer's: tags are text, pictures bring their bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from treering.reports.drawing import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it.token import Token

__all__ = ["render"]

_WEB = re.compile(r"(https?|mailto):", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", re.IGNORECASE)


def render(text: str, block: Callable[[str, str], str]) -> str:
    """Return Markdown as HTML.

    Args:
        text: Markdown as CommonMark has it, with tables and strikethrough.
        block: returns the HTML of a fenced block: of its first word and its text. None of it is escaped here.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])

    def fence(_renderer: Any, tokens: Sequence[Token], at: int, *_rest: Any) -> str:
        return block(tokens[at].info.split(" ", 1)[0].strip(), tokens[at].content)

    for name, rule in (("fence", fence), ("image", _image), ("link_open", _link)):
        parser.add_render_rule(name, rule)
    tokens = parser.parse(text)
    for token in tokens:
        side = str(token.attrs.pop("style", ""))  # a policy refuses styles of elements
        if side:
            token.attrs["class"] = side.replace("text-align:", "to-")
    return str(parser.renderer.render(tokens, parser.options, {}))


def _image(_renderer: Any, tokens: Sequence[Token], at: int, *_rest: Any) -> str:
    source, said = str(tokens[at].attrs.get("src", "")), escape(tokens[at].content)
    if _PICTURE.fullmatch(source):
        return f'<img src="{escape(source)}" alt="{said}">'
    if _WEB.match(source):  # shown, it would be fetched from there
        return f'<a href="{escape(source)}" rel="noopener noreferrer">picture: {said or escape(source)}</a>'
    return f"<span>picture: {said}</span>"


def _link(_renderer: Any, tokens: Sequence[Token], at: int, *_rest: Any) -> str:
    target = str(tokens[at].attrs.get("href", ""))
    # Parts of the dashboard are not there in a file.
    return f'<a href="{escape(target)}" rel="noopener noreferrer">' if _WEB.match(target) else "<a>"
