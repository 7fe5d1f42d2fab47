"""How a request is turned away."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):  # noqa: N818  # a way out, not a fault of ours
    """A request that goes no further.

    Args:
        status: of the answer.
        code: for programs.
        message: for people.
        expected: number of the row that was expected, where that is what is wrong.
    """

    def __init__(self, status: int, code: str, message: str, expected: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.expected = expected
