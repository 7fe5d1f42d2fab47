"""`treering ui`."""

from __future__ import annotations

from pathlib import Path

import click

from treering.cli._options import place_option

__all__ = ["command"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", "-p", type=click.IntRange(0, 65535), help="Default: the first free one from 8265 on.")
@click.option("--expose", is_flag=True, help="Let other machines connect, on a --host that is not this machine's own.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name that browsers may use.")
@click.option("--root-path", default="", metavar="/PREFIX", help="Prefix under which a proxy shows the server.")
@click.option("--frame-origin", "frames", multiple=True, metavar="URL", help="A page that may show it in a frame.")
@click.option("--max-streams", default=64, show_default=True, type=click.IntRange(1), help="Pages with live updates.")
@click.option("--alerts", type=click.Path(dir_okay=False, path_type=Path), help="File of who is told what.")
@click.option("--token-file", metavar="FILE", help="Keep the token there, so that it is the same at each start.")
@click.option("--browser/--no-browser", default=True, help="Open the dashboard in a browser.")
@place_option
def command(
    host: str,
    port: int | None,
    expose: bool,
    hosts: tuple[str, ...],
    root_path: str,
    frames: tuple[str, ...],
    max_streams: int,
    alerts: Path | None,
    token_file: str | None,
    browser: bool,
    place: str | None,
) -> None:
    """Serve the store to browsers of this machine, until Ctrl-C, and take in runs that are brought here.

    Only who opens the printed address, which holds a random token, can read anything. Programs that bring runs here
    show the same token (`treering login`); --token-file keeps it from one start to the next.
    """
    from treering.server.options import ServerOptions, is_loopback
    from treering.server.routes_pages import STATIC
    from treering.server.serve import listen, make_server, open_browser, start_page
    from treering.server.tokens import kept_token, new_token

    names = {name.lower() for name in hosts}
    # What listens everywhere is reached by names that only the user knows.
    if not is_loopback(host) and host not in {"0.0.0.0", "::"}:  # noqa: S104  # compared, not bound
        names.add(f"[{host.strip('[]')}]".lower() if ":" in host else host.lower())
    token = new_token() if token_file is None else kept_token(Path(token_file))
    options = ServerOptions(
        place,
        token,
        frozenset(names),
        root_path=root_path,
        frame_origins=frames,
        max_streams=max_streams,
        alerts=alerts,
    )
    listener = listen(host, port, exposed=expose)
    number = listener.getsockname()[1]
    shown = next(iter(sorted(names)), "127.0.0.1") if not is_loopback(host) else host
    shown = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
    url = f"http://{shown}:{number}{root_path}/login?token={options.token}"
    server = make_server(options)
    click.echo(f"treering is at {url}\nCtrl-C stops it.")
    if not (STATIC / "index.html").is_file():
        click.echo("The dashboard's pages are not built in this checkout; `nox -s ui` builds them.", err=True)
    with listener, start_page(url) as page:
        if browser:
            open_browser(page)
        server.run(sockets=[listener])
