"""Who is told, and that they are."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from treering.alerts import Alert, Target, Targets, load_targets
from treering.alerts.sending import SendError, send
from treering.errors import NotFound, UsageError

ALERT = Alert(7, 1_700_000_000_000_000, "my project", "r1", "abcd", "x", "warn", "loss <!channel>\nis high", "all & of it", (), 0, None)  # fmt: skip  # noqa: E501


def read(folder: Path, text: str) -> Targets:
    path = folder / "alerts.toml"
    path.write_text(text)
    return load_targets(path)


def sent(targets: Targets, name: str, alert: Alert = ALERT) -> None:
    send(alert, "night run", targets[name], targets)


# -- the file ---------------------------------------------------------------------------------------------------------


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", "k3y")
    targets = read(
        tmp_path,
        """
        url = "https://track.example/tree/"
        internal = ["mail.lan"]
        [mail]
        host = "mail.lan"
        sender = "treering@example.org"
        [targets.team]
        webhook = "https://hooks.slack.com/services/${HOOK_KEY}"
        [targets.me]
        email = ["me@example.org", "you@example.org"]
        level = "error"
        code = false
        """,
    )
    team, me = targets
    assert (team.webhook, team.kind, team.shown) == (
        "https://hooks.slack.com/services/k3y", "webhook", "hooks.slack.com (slack)",
    )  # fmt: skip
    assert (me.kind, me.shown, me.level, me.code) == ("e-mail", "me@example.org, you@example.org", "error", False)
    assert targets.url == "https://track.example/tree"
    assert len(load_targets(tmp_path / "none.toml")) == 0
    with pytest.raises(NotFound, match=r"no target 'nobody'; alerts\.toml names team, me"):
        targets["nobody"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[targets.a]\n", "takes one of webhook"),
        ('[targets.a]\nwebhook = "https://a.b/"\nemail = ["x@y"]', "takes one of webhook"),
        ('[targets.a]\nwebhook = "ftp://a.b/"', "is no address"),
        ('[targets.a]\nwebhook = "https://"', "is no address"),
        ('[targets.a]\nwebhook = "http://a.example/"', "could be read on its way"),
        ('[targets.a]\nemail = ["x@y"]', r"needs a \[mail\]"),
        ('[targets.a]\nwebhoook = "https://a.b/"', r"\[targets\.a\] .*webhoook"),
        ('[targets.a]\nwebhook = "https://a.b/${NOT_SET_ANYWHERE}"', "is not set"),
        ('[targets."a b"]\nwebhook = "https://a.b/"', "no name that can be used"),
        ("targets = 1", "object"),
        ("[targets", "alerts.toml"),
        ("internal = ['a/b']", "give a name, an address or a network"),
    ],
)
def test_a_file_that_cannot_be_taken(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, text)


# -- webhooks ---------------------------------------------------------------------------------------------------------


def test_webhooks(hook: Any, tmp_path: Path) -> None:
    targets = read(
        tmp_path,
        f"""
        internal = ["127.0.0.1"]
        url = "https://track.example"
        [targets.all]
        webhook = "{hook.url}/all"
        secret = "s3cret"
        headers = {{ Authorization = "Bearer mine" }}
        [targets.chat]
        webhook = "{hook.url}"
        format = "slack"
        [targets.other]
        webhook = "{hook.url}"
        format = "discord"
        """,
    )
    for name in ("all", "chat", "other"):
        sent(targets, name)
    whole, chat, other = hook.bodies
    assert whole == {
        "id": 7, "time_us": 1_700_000_000_000_000, "level": "warn", "title": ALERT.title, "text": ALERT.text,
        "project": "my project", "run": "r1", "run_name": "night run", "rule": "abcd",
        "url": "https://track.example/my%20project/runs/r1",
    }  # fmt: skip
    signature = hmac.new(b"s3cret", hook.raw[0], hashlib.sha256).hexdigest()
    assert hook.headers[0]["treering-signature"] == f"sha256={signature}"
    assert hook.headers[0]["authorization"] == "Bearer mine"
    assert "loss &lt;!channel&gt;\nis high\nall &amp; of it" in chat["text"], "nobody is called who was not asked"
    assert "loss <!channel>" in other["content"]
    assert other["allowed_mentions"] == {"parse": []}


def test_a_webhook_that_refuses_or_leads_elsewhere(hook: Any, tmp_path: Path) -> None:
    targets = read(tmp_path, f'internal = ["127.0.0.1"]\n[targets.a]\nwebhook = "{hook.url}"')
    hook.answers = [403, 302]
    with pytest.raises(SendError, match="a: answered 403 no, thanks"):
        sent(targets, "a")
    with pytest.raises(SendError, match="a: answered 302"):
        sent(targets, "a")
    assert len(hook.bodies) == 2, "the redirect was not followed"


def test_a_webhook_inside_is_not_reached(hook: Any, tmp_path: Path) -> None:
    targets = read(tmp_path, f'[targets.a]\nwebhook = "{hook.url}"')
    with pytest.raises(SendError, match="inside the server's own network; add it to internal"):
        sent(targets, "a")
    assert hook.bodies == []


def test_a_webhook_that_is_not_there(hook: Any, tmp_path: Path) -> None:
    targets = read(tmp_path, 'internal = ["127.0.0.1"]\n[targets.a]\nwebhook = "http://127.0.0.1:1/"')
    with pytest.raises(SendError, match=r"a: .*refused"):
        sent(targets, "a")


# -- mail -------------------------------------------------------------------------------------------------------------


class Inbox:
    """Notes the mail that comes."""

    def __init__(self) -> None:
        self.mail: list[tuple[str, list[str], Message]] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        import email.policy

        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mail.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 OK"

    def authenticate(self, _server: SMTP, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


def mail_file(port: int, password: str = "right", internal: str = "localhost") -> str:
    return f"""
        internal = ["{internal}"]
        [mail]
        host = "localhost"
        port = {port}
        sender = "treering@example.org"
        user = "tree"
        password = "{password}"
        [targets.me]
        email = ["me@example.org", "you@example.org"]
    """


@contextmanager
def mail_server(inbox: Inbox, authority: trustme.CA) -> Iterator[int]:
    """Serve mail, and return the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    loop = asyncio.new_event_loop()

    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(
            SMTP(inbox, tls_context=context, authenticator=inbox.authenticate, auth_required=True, loop=loop)
        )
        return sessions[-1]

    server = loop.run_until_complete(loop.create_server(session, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for session in sessions:
            if session.transport is not None:
                session.transport.abort()
        loop.run_until_complete(server.wait_closed())
        loop.run_until_complete(asyncio.sleep(0))  # sockets close at the next turn
        loop.close()


def test_mail(trusted: trustme.CA, tmp_path: Path) -> None:
    inbox = Inbox()
    with mail_server(inbox, trusted) as port:
        sent(read(tmp_path, mail_file(port)), "me")
        with pytest.raises(SendError, match=r"me: .*535"):
            sent(read(tmp_path, mail_file(port, password="wrong")), "me")
        with pytest.raises(SendError, match="inside the server's own network"):
            sent(read(tmp_path, mail_file(port, internal="mail.lan")), "me")
    ((sender, recipients, message),) = inbox.mail
    assert (sender, recipients) == ("treering@example.org", ["me@example.org", "you@example.org"])
    assert message["Subject"] == "[treering] loss <!channel> is high"
    assert (
        message.get_payload(decode=True).replace(b"\r\n", b"\n")
        == b"all & of it\n\nrun      night run (r1)\nproject  my project\n"
    )
    assert inbox.logins[0] == (b"tree", b"right")


def test_a_mail_server_that_nobody_vouches_for(tmp_path: Path) -> None:
    """The password does not go to whoever answers."""
    inbox = Inbox()
    with (
        mail_server(inbox, trustme.CA()) as port,
        pytest.raises(SendError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        sent(read(tmp_path, mail_file(port)), "me")
    assert inbox.logins == []


def test_what_is_shown_of_a_target_is_no_secret() -> None:
    target = Target(name="a", webhook="https://user:pass@hooks.example.com/services/KEY?token=KEY")
    assert target.shown == "hooks.example.com (json)"
