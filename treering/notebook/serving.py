"""The server that `%treering` shows: `python -m treering.notebook.serving`.

What it is to do comes as one line of JSON on standard input, so that the token stands in no process list and no file;
where it listens goes out as one line. It ends when standard input does: with the notebook's kernel, however that ends.
"""

from __future__ import annotations

import os
import sys
import threading

import msgspec

__all__ = ["Order", "main"]


class Order(msgspec.Struct):
    """What the server is to do.

    Attributes:
        place: of the store.
        token: of the server.
        port: to listen on; None for the first free one.
        frames: origins whose pages may show it.
    """

    place: str
    token: str
    port: int | None
    frames: tuple[str, ...]


def main() -> None:
    """Serve until standard input ends."""
    from treering.server.options import ServerOptions
    from treering.server.serve import listen, make_server

    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    listener = listen("127.0.0.1", order.port, exposed=False)
    server = make_server(ServerOptions(order.place, order.token, frame_origins=order.frames))

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True
        threading.Timer(5.0, os._exit, (0,)).start()  # whatever a page still waits for

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with listener:
        server.run(sockets=[listener])
    os._exit(0)  # the thread above waits for standard input


if __name__ == "__main__":
    main()
