"""`treering completion`."""

from __future__ import annotations

import os

import click

from treering.errors import UsageError

__all__ = ["command"]

_WHERE = {
    "bash": "treering completion bash >> ~/.bashrc",
    "zsh": "treering completion zsh >> ~/.zshrc",
    "fish": "treering completion fish > ~/.config/fish/completions/treering.fish",
}


@click.command()
@click.argument("shell", required=False, type=click.Choice(sorted(_WHERE)))
def command(shell: str | None) -> None:
    r"""Print the script that makes a shell complete commands, runs and projects.

    \b
    treering completion bash >> ~/.bashrc
    treering completion zsh >> ~/.zshrc
    treering completion fish > ~/.config/fish/completions/treering.fish
    """
    from click.shell_completion import get_completion_class

    from treering.cli._app import app

    shell = shell or os.path.basename(os.environ.get("SHELL", ""))
    kind = get_completion_class(shell) if shell in _WHERE else None
    if kind is None:
        raise UsageError(f"the shell {shell!r} is not known; name one of {', '.join(sorted(_WHERE))}")
    click.echo(kind(app, {}, "treering", "_TREERING_COMPLETE").source())
