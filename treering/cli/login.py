"""`treering login`."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command()
@click.argument("url", required=False)
@click.option("--key", "-k", help="The key; default: asked for, or read from standard input.")
@click.option("--logout", is_flag=True, help="Forget the key instead.")
def command(url: str | None, key: str | None, logout: bool) -> None:
    """Keep the key of the server at URL, which runs with mode="online" and `treering sync` use from now on.

    The key is the token that the server was started with, or a key of one run. It goes into a file of your
    configuration folder that nobody else may read.
    """
    from treering.online.credentials import Server, find_server, login
    from treering.online.credentials import logout as forget

    if url is None:
        found = find_server(None, None)
        if logout:
            forget(found.url)
        click.echo(f"{'Forgot' if logout else 'Logged in to'} {found.url}")
        return
    if logout:
        click.echo(f"Forgot {url}" if forget(url) else f"There was no key for {url}")
        return
    if key is None:
        # Not from the arguments alone: those stand in the process list and in the shell's history.
        key = _ask()
    server = Server(url, key.strip())
    _try(server)
    login(server.url, server.key)
    click.echo(f'Logged in to {server.url}; runs go there with init(mode="online") or TREERING_MODE=online')
    if server.url.startswith("http:") and not _is_near(server.url):
        click.echo("note: the connection is not encrypted; whoever can listen to it reads the key", err=True)


def _ask() -> str:
    return str(click.prompt("Key", hide_input=True)) if sys.stdin.isatty() else sys.stdin.readline()


def _try(server: object) -> None:
    """Find out whether the server takes the key; one that cannot be reached now may do so later."""
    from treering.errors import NotFound
    from treering.online.client import Client, Unreachable
    from treering.online.credentials import Server

    assert isinstance(server, Server)  # noqa: S101  # for type checkers
    try:
        with Client(server.url, server.key) as client:
            client.get("projects")
    except NotFound:
        pass  # it has no run yet
    except Unreachable as error:
        click.echo(f"note: {error}; the key is kept untried", err=True)


def _is_near(url: str) -> bool:
    from urllib.parse import urlsplit

    from treering.server.options import is_loopback

    return is_loopback(urlsplit(url).hostname or "")
