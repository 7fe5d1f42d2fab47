"""Secrets taken out of what a run keeps: configuration, command line, diffs, source, notebook cells, console.

Two clues are used: the name beside a value (`api_key`, `--password`, `HF_TOKEN=`), and the shape of well-known tokens
anywhere in a text. In machine learning a token is mostly a piece of text, so `max_tokens`, `pad_token` and `tokenizer`
stay readable, and so does code that only passes a secret on (`token=token`, `os.environ["HF_TOKEN"]`).
This catches accidents. It is no wall: a password named `x` is kept as it is.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from treering.plain import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from treering.plain import Plain

__all__ = ["MASK", "is_secret_key", "mask_arguments", "mask_mapping", "mask_text"]

_regex: Callable[..., re.Pattern[str]] = functools.cache(re.compile)  # compiled at first use, not at import

_WORDS = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
# Matched against a name in snake case.
_KEY_NAMES = (
    r"passwd|password|passphrase|passcode|credential|apikey|authtoken|accesskey"
    r"|secret(?!ar|i|l|or)"
    r"|(?:^|_)(?:pass_(?:word|phrase|wd|code)|authorization|bearer|pwd)(?:_|$)"
    r"|(?:^|_)(?:admin|db|email|ftp|login|mail|mysql|pg|postgres|proxy|redis|root|smtp|ssh|user)_?pass$"
    r"|(?:^|_)(?:api|access|account|auth|deploy|encryption|hmac|license|private|rsa|signing|ssh|storage|subscription)"
    r"_?keys?(?:_|$)"
    r"|(?:^|_)cookies?$"
    r"|(?:^|_)(?:access|api|auth|bearer|csrf|deploy|gh|github|gitlab|hf|hub|jwt|oauth|personal|refresh|sas|secret"
    r"|security|session|slack|xsrf)_?tokens?(?:_|$)"
)
# What follows the name of a secret when the value is only about it: a path, a size, the name of a variable.
_ABOUT = """
count dir directory endpoint env expires expiry file filename folder len length lifetime limit location max min name num
path policy prefix rotation size ttl type uri url var variable
"""
# What stands before "token" when it is a piece of text.
_TEXT_TOKENS = """
action added agent assistant attention audio begin blank boa bod boi bom bos byte char class cls context control current
dec decoder default delimiter dist distillation document draft dummy each empty enc encoder end eoa eod eoi eom eos eot
extra fake fim first frame function global go goal image input instruction k lang language last latent line mask max
memory meta middle min modality mode new newline next no non null num object output pad padding pair patch per
placeholder pool position prev previous prompt query random register response reward role sample sentence sentinel sep
separator single sink soft sos source space special speech split src start state stop sub subword suffix summary system
tag target task text tgt think thinking time timestamp tool total trigger unk unknown user video virtual vision visual
vocab vocabulary whitespace word
"""
# Words that stand where a value would, and are none: types and constants of programming languages.
_NO_VALUE = """
any bool boolean bytes false float hidden int masked nil none null number object optional redacted required self str
string true undefined
"""
_PLACEHOLDER = (
    r"\W|([*xX.?_\-])\1{2,}|\$[A-Z_][A-Z0-9_]*|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|\{[A-Za-z_][\w.]*\}|%\(\w+\)s"
    r"|<[^<>]*>|\[[A-Za-z_ ]+\]"
)

# A literal that must occur, and the shape that then is looked for. Order matters where one shape contains another.
_SHAPES: tuple[tuple[str, str], ...] = (
    ("AKIA", r"\bAKIA[A-Z0-9]{16}\b"),
    ("ASIA", r"\bASIA[A-Z0-9]{16}\b"),
    ("gh", r"\bgh[oprsu]_[A-Za-z0-9]{30,255}"),
    ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{22,255}"),
    ("gl", r"\bgl(?:pat|dt|ptt|rt|soat|cbt)-[A-Za-z0-9_\-]{20,}"),
    ("hf_", r"\bhf_[A-Za-z]{30,}(?![A-Za-z_])|\bhf_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{30,}"),
    ("api_org_", r"\bapi_org_[A-Za-z0-9]{30,}"),
    ("sk-", r"\bsk-(?=(?:[A-Za-z_\-]{0,40}[0-9]){3})[A-Za-z0-9_\-]{20,}"),
    ("k_", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("gsk_", r"\bgsk_[A-Za-z0-9]{32,}"),
    ("AIza", r"\bAIza[A-Za-z0-9_\-]{35}"),
    ("ya29.", r"\bya29\.[A-Za-z0-9_\-]{20,}"),
    ("xox", r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}"),
    ("xapp-", r"\bxapp-[A-Za-z0-9\-]{20,}"),
    ("hooks.slack.com/", r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/_\-]{20,}"),
    ("/api/webhooks/", r"(?<=/api/webhooks/)[0-9]{15,}/[A-Za-z0-9_\-]{30,}"),
    ("npm_", r"\bnpm_[A-Za-z0-9]{36}"),
    ("pypi-", r"\bpypi-[A-Za-z0-9_\-]{50,}"),
    ("SG.", r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"),
    ("dapi", r"\bdapi[0-9a-f]{32}(?:-[0-9])?\b"),
    ("r8_", r"\br8_[A-Za-z0-9]{30,}"),
    ("dop_v1_", r"\bdop_v1_[0-9a-f]{40,}"),
    ("wandb_v1_", r"\bwandb_v1_[A-Za-z0-9_]{30,}"),
    ("local-", r"\blocal-[0-9a-f]{40}\b"),
    (
        "wandb",
        r"(?<=wandb login )[0-9a-f]{40}\b|(?<=wandb\.login\([\"'])[0-9a-f]{40}\b|(?<=login\(key=[\"'])[0-9a-f]{40}\b",
    ),
    ("eyJhcGlf", r"\beyJhcGlf[A-Za-z0-9_+/=\-]{30,}"),
    ("eyJ", r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}"),
    ("AGE-SECRET-KEY-", r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    ("bot", r"(?<=bot)[0-9]{8,10}:[A-Za-z0-9_\-]{35}\b"),
)
# The same, for any case; what the groups `before` and `after` match is kept.
_PLACES: tuple[tuple[str, str], ...] = (
    ("://", r"(?P<before>\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@\"'<>]{0,200}:)(?P<value>[^\s/@\"'<>]{1,500})(?P<after>@)"),
    ("://", r"(?P<before>\bhttps?://)(?P<value>[a-z0-9_\-.~%]{20,500})(?P<after>@)"),
    ("sig", r"(?P<before>[?&](?:[a-z\-]{0,20}-)?sig(?:nature)?=)(?P<value>[^&\s\"'<>#]{8,})(?P<after>)"),
    ("x-", r"(?P<before>[?&]x-[a-z]{2,6}-(?:credential|security-token)=)(?P<value>[^&\s\"'<>#]{8,})(?P<after>)"),
    ("key=", r"(?P<before>[?&]key=)(?P<value>[a-z0-9_\-]{20,})(?P<after>)"),
    (
        "authorization",
        r"(?P<before>authorization[\"'\\]{0,3}\s?[:=]\s?f?[\"'\\]{0,3}(?:basic|bearer|token)\s)(?P<value>[^\s\"'\\{]{4,})(?P<after>)",
    ),
    ("bearer", r"(?P<before>\bbearer\s{1,3})(?P<value>(?=[^\s0-9]{0,200}[0-9])[a-z0-9._~+/=\-]{16,})(?P<after>)"),
    ("cookie:", r"(?P<before>\bcookie:[ \t]{0,9})(?P<value>[^\s\"'][^\r\n\"']*)(?P<after>)"),
    ("password", r"(?P<before>(?:\blogin\s{1,9}\S{1,99}|^[+\- ]?)\s{1,9}password\s{1,9})(?P<value>\S+)(?P<after>)$"),
    ("curl", r"(?P<before>\s(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,99}:)(?P<value>[^\s\"']+)(?P<after>)"),
    ("sshpass", r"(?P<before>\bsshpass\s{1,3}-p\s{0,3})(?P<value>\S+)(?P<after>)"),
    (
        "env(",
        r"(?P<before>env\(\s{0,3}[\"'](?P<key>[\w.\-]{3,80})[\"'],\s{0,3}[\"'])(?P<value>[^\"'\r\n]+)(?P<after>[\"'])",
    ),
    (
        "setdefault(",
        r"(?P<before>setdefault\(\s{0,3}[\"'](?P<key>[\w.\-]{3,80})[\"'],\s{0,3}[\"'])(?P<value>[^\"'\r\n]+)(?P<after>[\"'])",
    ),
)
_ASSIGNMENT = (
    r"(?P<key>(?<![\w.\-])[\w.\-]{3,80})(?P<sign>(?:\\?[\"'])?\]?[ \t]{0,20}(?:=>|:=|=(?![=~])|:(?![:/]))[ \t]{0,20})"
    r"(?:[bfru]{0,2}\\[\"'](?P<escaped>[^\"'\\\r\n]{1,9999})"
    r"|[bfru]{0,2}\"(?:\"\")?(?P<double>(?:[^\"\\\r\n]|\\.){1,9999})"
    r"|[bfru]{0,2}'(?:'')?(?P<single>(?:[^'\\\r\n]|\\.){1,9999})"
    r"|(?P<bare>[^\s\"'`,;&(){}\[\]<>|\\]{1,9999}))"
)
_FLAG = r"(?P<before>(?P<key>(?<![\w\-])--[a-z][\w\-]{2,60})[ \t]+[\"']?)(?P<value>(?!-)[^\s\"'`]+)(?P<after>)"
_PRIVATE_KEY = r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY_END = r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY_BODY = r"[A-Za-z0-9+/=\s\\\"':,>\-]*"

_SHORT_TEXT = 500
_SHORTEST_TEXT = 7  # "a://b:c@" has a password
_SHORTEST_KEY = 15  # characters of a mapping's key that could be a token itself
_WITH_UNDERSCORE = ("gh", "hf_", "api_org_", "k_live_", "k_test_", "gsk_", "npm_", "r8_", "dop_v1_")
_WITH_DASH = ("gl", "sk-", "xox", "xapp-", "pypi-", "local-", "AGE-SECRET-KEY-")

_NONE, _TOKEN, _SECRET = 0, 1, 2  # how sure a name is: "token" alone may be a piece of text


def is_secret_key(key: str) -> bool:
    """Whether the value under this name is a secret: `api_key`, `dbPassword`, `HF_TOKEN`, but not `max_tokens`."""
    return _strength(key) != _NONE


def mask_mapping(plain: Mapping[str, Plain]) -> dict[str, Plain]:
    """Copy plain data with its secrets replaced by `***`.

    Below the name of a secret all text and all numbers go; None, booleans and empty values stay, for they tell that
    there is no secret. Other text goes through `mask_text`, and lists of text are read as command lines.
    """
    named = plain.get("name", plain.get("key"))
    result: dict[str, Plain] = {}
    for key, value in plain.items():
        strength = _strength(key)
        if key == "value" and isinstance(named, str):  # {"name": "API_KEY", "value": ...}, as Kubernetes writes it
            strength = _strength(named)
        result[mask_text(key) if len(key) >= _SHORTEST_KEY else key] = (
            _mask_below(value, strength) if strength else _mask_value(value)
        )
    return result


def mask_arguments(arguments: Sequence[str]) -> list[str]:
    """Mask a command line that is split into its arguments: `--api-key=x`, `--password x`, `logger.token=x`."""
    result: list[str] = []
    flag = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if flag and not argument.startswith("--"):
            result.append(str(_mask_below(argument, _strength(flag))))
        elif equals and re.fullmatch(r"[\w.\-+~/@]+", name) and is_secret_key(name):
            result.append(f"{name}={_mask_below(value, _strength(name))}")
        else:
            result.append(mask_text(argument))
        flag = argument if argument.startswith("-") and not equals and is_secret_key(argument) else ""
    return result


def mask_text(text: str) -> str:
    """Mask what looks like a secret in any text: code, a diff, `.env` lines, command lines, logs, URLs.

    Time is linear in the length: about 20 ms for 1 MiB of source code, 2 us for a line of a log. Masking twice
    changes nothing more.
    """
    lower = text.lower()
    if len(text) < _SHORT_TEXT and not _may_hide(text, lower):
        return text
    if "private key" in lower:
        text = _mask_private_keys(text)
    shapes = [step for step in _SHAPES if step[0] in text]
    places = [step for step in _PLACES if step[0] in lower]
    return "\n".join([_mask_line(line, shapes, places) for line in text.split("\n")])


def _may_hide(text: str, lower: str) -> bool:
    """Whether any pattern could match: asked for every line of a log, so written out, which is five times as fast."""
    return (
        _has_hint(lower)
        or "://" in lower
        or "curl" in lower
        or "sig" in lower
        or "x-" in lower
        or "eyJ" in text
        or "AKIA" in text
        or "ASIA" in text
        or "AIza" in text
        or "ya29." in text
        or "SG." in text
        or "dapi" in text
        or "bot" in text
        or "wandb" in text
        or ("_" in text and _has_any(text, _WITH_UNDERSCORE))
        or ("-" in text and _has_any(text, _WITH_DASH))
    )


def _has_hint(lower: str) -> bool:
    """Whether a name of a secret can be in a line."""
    return (
        "token" in lower
        or "key" in lower
        or "pass" in lower
        or "auth" in lower
        or "secret" in lower
        or "pwd" in lower
        or "bearer" in lower
        or "cookie" in lower
        or "credential" in lower
    )


def _has_any(text: str, literals: tuple[str, ...]) -> bool:
    return any([literal in text for literal in literals])  # noqa: C419 - a generator would take twice as long


@functools.lru_cache(maxsize=4096)
def _strength(key: str) -> int:
    words = [word.lower() for word in _regex(_WORDS).findall(key[:200])]
    while words and words[-1].isdigit():
        words.pop()
    if not words or words[-1] in _words(_ABOUT) or key in {"PWD", "OLDPWD"}:
        return _NONE
    if _regex(_KEY_NAMES).search("_".join(words)):
        return _SECRET
    if words[-1] in {"string", "value"}:
        words.pop()
    if not words or words[-1] != "token":
        return _NONE
    if len(words) == 1:
        return _TOKEN
    return _NONE if words[-2] in _words(_TEXT_TOKENS) or words[-2].isdigit() else _SECRET


def _mask_below(value: Plain, strength: int) -> Plain:
    if isinstance(value, dict):
        return {key: _mask_below(item, strength) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask_below(item, strength) for item in value]
    if isinstance(value, str):
        return value if _is_placeholder(value) or (strength == _TOKEN and value.isdigit()) else MASK
    return value if value is None or isinstance(value, bool) or strength == _TOKEN else MASK


def _mask_value(value: Plain) -> Plain:
    if isinstance(value, str):
        return mask_text(value) if len(value) >= _SHORTEST_TEXT else value
    if isinstance(value, dict):
        return mask_mapping(value)
    if isinstance(value, list):
        texts = [item for item in value if isinstance(item, str)]
        return [*mask_arguments(texts)] if len(texts) == len(value) else [_mask_value(item) for item in value]
    return value


def _is_placeholder(value: str) -> bool:
    """Text that stands for a secret, or names a piece of text such as `<pad>`."""
    return not value or value.lower() in _words(_NO_VALUE) or _regex(_PLACEHOLDER).fullmatch(value) is not None


@functools.cache
def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _mask_place(match: re.Match[str]) -> str:
    key = match.groupdict().get("key")
    value = match["value"]
    if _is_placeholder(value) or (key is not None and not is_secret_key(key)) or _names_itself(value):
        return match[0]
    return f"{match['before']}{MASK}{match['after']}"


def _names_itself(value: str) -> bool:
    """`--token TOKEN`, as help texts write it."""
    return value.isupper() and value.replace("_", "").isalpha() and is_secret_key(value)


def _mask_line(line: str, shapes: list[tuple[str, str]], places: list[tuple[str, str]]) -> str:
    for literal, shape in shapes:
        if literal in line:
            line = _regex(shape).sub(MASK, line)
    lower = line.lower()
    for literal, place in places:
        if literal in lower:
            line = _regex(place, re.IGNORECASE).sub(_mask_place, line)
    if not _has_hint(lower):
        return line
    if "--" in line:
        line = _regex(_FLAG, re.IGNORECASE).sub(_mask_place, line)
    return _regex(_ASSIGNMENT, re.IGNORECASE).sub(_mask_assignment, line)


def _mask_assignment(match: re.Match[str]) -> str:
    strength = _strength(match["key"])
    if strength == _NONE:
        return match[0]
    group = match.lastgroup or "bare"
    value = match[group]
    if _is_placeholder(value):
        return match[0]
    quoted = strength == _SECRET or _looks_random(value)
    if not (_is_bare_secret(match, value, strength) if group == "bare" else quoted):
        return match[0]
    start, end = match.start(), match.end()
    return f"{match.string[start : match.start(group)]}{MASK}{match.string[match.end(group) : end]}"


def _looks_random(value: str) -> bool:
    digits = any(character.isdigit() for character in value)
    return " " not in value and (len(value) >= 20 or (len(value) >= 8 and digits and not value.isdigit()))  # noqa: PLR2004


def _is_bare_secret(match: re.Match[str], value: str, strength: int) -> bool:
    """Whether a value without quotes is a secret, and not code that passes one on."""
    key, text = match["key"], match.string
    following = text[match.end() : match.end() + 1]
    preceding = text[max(match.start() - 1, 0) : match.start()]
    if following and following in "([{<":  # a call, an index, a type
        return False
    shell = "=" in match["sign"] and " " not in match["sign"] and key.upper() == key
    if shell or key.startswith("--") or preceding in {"?", "&"}:  # FOO_TOKEN=x, --password=x, ?token=x
        return not re.match(r"os\.|process\.env|self\.", value) and not (value.isdigit() and strength == _TOKEN)
    if re.fullmatch(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*", value) or is_secret_key(value):
        # A name, where code is as likely as a secret: only what a shell or a settings file would write counts.
        if strength != _SECRET or is_secret_key(value) or not (value.islower() and value.isalpha()):
            return False
        before, after = text[: match.start()].strip(" \t+-"), text[match.end() :].strip()
        if match["sign"].strip() == ":":
            return not before and not after
        return " " not in match["sign"] and not following.strip() and not preceding.strip(" \t+-")
    return _looks_random(value) or (strength == _SECRET and not value.replace(".", "").isdigit())


def _mask_private_keys(text: str) -> str:
    """Replace what stands between BEGIN and END; where a diff was cut before END, what looks like a key's letters."""
    parts: list[str] = []
    at = 0
    ends = _regex(_PRIVATE_KEY_END).finditer(text)
    end = next(ends, None)
    for begin in _regex(_PRIVATE_KEY).finditer(text):
        if begin.start() < at:
            continue
        while end is not None and end.start() < begin.end():
            end = next(ends, None)
        body = _regex(_PRIVATE_KEY_BODY).match(text, begin.end())
        stop = end.start() if end is not None else (body.end() if body else begin.end())
        parts += [text[at : begin.end()], MASK]
        at = stop
    return "".join([*parts, text[at:]])
