"""Sending one alert to one target."""

from __future__ import annotations

import hashlib
import hmac
import smtplib
import ssl
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpcore
import msgspec

from treering.alerts.reaching import GuardedBackend, GuardedSMTP

if TYPE_CHECKING:
    from treering.alerts.ledger import Alert
    from treering.alerts.reaching import Internal
    from treering.alerts.targets import Mail, Target, Targets

__all__ = ["SendError", "send"]

_TIMEOUT_S = 15.0
_MARKS = {"info": "\N{LARGE BLUE CIRCLE}", "warn": "\N{WARNING SIGN}", "error": "\N{OCTAGONAL SIGN}"}
# Chats cut or refuse what is longer.
_LONGEST_CHAT = 1900


class SendError(Exception):
    """An alert that did not arrive; the text says why."""


def send(alert: Alert, run_name: str, target: Target, targets: Targets) -> None:
    """Tell one target.

    Args:
        alert: what.
        run_name: of its run, for people.
        target: whom.
        targets: what else the file says: the mail server, what may be reached, the address for links.

    Raises:
        SendError: it did not arrive. It may all the same have: a target can get the same `id` twice.
    """
    link = ""
    if targets.url and alert.run_id:
        link = f"{targets.url}/{quote(alert.project, safe='')}/runs/{quote(alert.run_id, safe='')}"
    try:
        if target.webhook is not None:
            _post(target, _body(alert, run_name, link, target.posted), targets.internal)
        elif targets.mail is not None:
            _mail(target, _message(alert, run_name, link), targets.mail, targets.internal)
    except (OSError, smtplib.SMTPException, httpcore.NetworkError, httpcore.TimeoutException) as error:
        raise SendError(f"{target.name}: {str(error) or type(error).__name__}") from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError) as error:
        raise SendError(f"{target.name}: {error}") from error


def _body(alert: Alert, run_name: str, link: str, form: str) -> dict[str, Any]:
    if form == "json":
        return {
            "id": alert.id,
            "time_us": alert.time_us,
            "level": alert.level,
            "title": alert.title,
            "text": alert.text,
            "project": alert.project,
            "run": alert.run_id,
            "run_name": run_name,
            "rule": alert.rule_id or None,
            "url": link or None,
        }
    words = f"{_MARKS.get(alert.level, '')} {alert.title}\n{alert.text}"[:_LONGEST_CHAT] + (f"\n{link}" if link else "")
    if form == "discord":
        return {"content": words, "allowed_mentions": {"parse": []}}
    # Slack reads <!channel> and <http://...|text>: what a run is called must not call everybody.
    return {"text": words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def _post(target: Target, body: dict[str, Any], internal: Internal) -> None:
    data = msgspec.json.encode(body)
    headers = {"Content-Type": "application/json", "User-Agent": "treering", **target.headers}
    if target.secret:
        headers["Treering-Signature"] = "sha256=" + hmac.new(target.secret.encode(), data, hashlib.sha256).hexdigest()
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), _TIMEOUT_S)
    context = httpcore.default_ssl_context()
    context.load_default_certs()  # of a company's own authority
    # Redirects are not followed: where they lead was not asked for.
    with httpcore.ConnectionPool(context, network_backend=GuardedBackend(internal), max_connections=1) as pool:
        answer = pool.request(
            "POST", target.webhook or "", headers=list(headers.items()), content=data, extensions={"timeout": timeouts}
        )
    if not 200 <= answer.status < 300:  # noqa: PLR2004  # HTTP's own numbers
        told = answer.content[:200].decode("utf-8", "replace").strip()
        raise SendError(f"{target.name}: answered {answer.status} {told}".strip())


def _message(alert: Alert, run_name: str, link: str) -> EmailMessage:
    message = EmailMessage()
    # The mail package refuses a header with a line feed; a title may have any.
    message["Subject"] = " ".join(f"[treering] {alert.title}".split())[:200]
    lines = [alert.text or alert.title, "", f"run      {run_name} ({alert.run_id})", f"project  {alert.project}"]
    message.set_content("\n".join([*lines, *([link] if link else [])]) + "\n")
    return message


def _mail(target: Target, message: EmailMessage, mail: Mail, internal: Internal) -> None:
    message["From"] = mail.sender
    message["To"] = ", ".join(target.email)
    context = ssl.create_default_context()
    if mail.encryption == "tls":
        client: smtplib.SMTP = _GuardedTLS(internal, mail.host, mail.port, _TIMEOUT_S, context)
    else:
        client = GuardedSMTP(internal, mail.host, mail.port, _TIMEOUT_S)
    with client:
        if mail.encryption == "starttls":
            client.starttls(context=context)
        if mail.user is not None:
            client.login(mail.user, mail.password or "")
        client.send_message(message)


class _GuardedTLS(GuardedSMTP):
    def __init__(self, internal: Internal, host: str, port: int, timeout_s: float, context: ssl.SSLContext) -> None:
        self._tls, self._name = context, host
        super().__init__(internal, host, port, timeout_s)

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        return self._tls.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=self._name)
