"""Secrets go, and what only looks like one stays: a corpus both ways."""

from __future__ import annotations

import json
import string
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.secrets import MASK, is_secret_key, mask_arguments, mask_mapping, mask_text

# Made up, in the shape of real ones; put together here so that no scanner takes this file for a leak.
LETTERS = "Zx9" + string.ascii_letters[3:40]
HEX = "0123456789abcdef" * 4
TOKENS = {
    "AWS key id": "AKIA" + "IOSFODNN7EXAMPLE",
    "AWS session key id": "ASIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + LETTERS[:36],
    "GitHub, fine-grained": "github_pat_" + LETTERS[:22] + "_" + LETTERS[:30],
    "GitHub app": "ghs_" + LETTERS[:36],
    "GitLab": "glpat-" + LETTERS[:20],
    "Hugging Face": "hf_" + LETTERS[3:37],
    "Hugging Face, with digits": "hf_" + LETTERS[:34],
    "OpenAI": "sk-" + LETTERS[:24] + "7T3" + LETTERS[:20],
    "OpenAI project": "sk-proj-" + LETTERS[:20] + "_42" + LETTERS[:20],
    "Anthropic": "sk-ant-api03-" + LETTERS[:40],
    "OpenRouter": "sk-or-v1-" + HEX,
    "Groq": "gsk_" + LETTERS,
    "Google": "AIza" + LETTERS[:35],
    "Google access": "ya29." + LETTERS,
    "Slack": "xoxb-" + "123456789012-" + LETTERS[:24],
    "Stripe": "sk_live_" + LETTERS[:24],
    "npm": "npm_" + LETTERS[:36],
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + LETTERS,
    "SendGrid": "SG." + LETTERS[:22] + "." + LETTERS[:39],
    "Databricks": "dapi" + HEX[:32],
    "Replicate": "r8_" + LETTERS[:37],
    "W&B": "wandb_v1_" + LETTERS[:30],
    "W&B server": "local-" + HEX[:40],
    "Neptune": "eyJhcGlf" + LETTERS * 2,
    "JWT": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + LETTERS[:30],
    "age": "AGE-SECRET-KEY-1" + "Q" * 58,
    "Telegram": "bot123456789:" + "AA" + LETTERS[:33],
}

SECRET_KEYS = """
password PASSWORD db_password dbPassword userpassword password2 passwd smtp_pass DB_PASS pwd passphrase
secret client_secret SECRET_KEY_BASE clientSecret aws_secret_access_key AWS_ACCESS_KEY_ID
api_key apiKey apikey APIKEY OPENAI_API_KEY WANDB_API_KEY X-API-Key api-key logger.api_key logger/api_key
private_key ssh_key AccountKey encryption_key
token TOKEN hf_token HF_TOKEN HUGGING_FACE_HUB_TOKEN hub_token push_to_hub_token githubToken GH_TOKEN access_token
auth_token authToken use_auth_token refreshToken api_tokens my_token MY_SERVICE_TOKEN token_value session_token
credentials GOOGLE_APPLICATION_CREDENTIALS Authorization cookie
""".split()  # noqa: SIM905 - a list of words reads better as a text

PLAIN_KEYS = """
tokenizer tokenizer_name tokenizers max_tokens num_tokens max_new_tokens tokens tokens_per_second n_tokens_seen
total_tokens pad_token eos_token bos_token unk_token mask_token cls_token sep_token additional_special_tokens
pad_token_id eos_token_id token_type_ids decoder_start_token_id image_token image_token_index num_image_tokens
token_dropout token_dim token_mixer class_token vision_start_token next_token stop_token per_token loss_per_token
train/loss_per_token token_count token_length
key keys num_key_value_heads key_dim rng_key key_padding_mask primary_key sort_key keyboard monkey hotkey
shared_key_query author authors author_name bypass_words compass passes num_passes forward_pass pass_rate passenger
secretary password_length password_file api_key_env api_key_name token_url secret_name credentials_path
lr name path PATH PWD OLDPWD seed
""".split()  # noqa: SIM905

MASKED_TEXT = [
    ("export FOO_TOKEN=abc", "export FOO_TOKEN=***"),
    ("+HF_TOKEN=short1", "+HF_TOKEN=***"),
    ("-DB_PASSWORD='hunter two'", "-DB_PASSWORD='***'"),
    ("PGPASSWORD=letmein psql -c 'select 1'", "PGPASSWORD=*** psql -c 'select 1'"),
    ("password: hunter", "password: ***"),
    ("  api_key: abc123", "  api_key: ***"),
    ("password = hunter2", "password = ***"),
    ('api_key = "abc"', 'api_key = "***"'),
    ("client = Client(api_key='abc', timeout=3)", "client = Client(api_key='***', timeout=3)"),
    ('hf_token = """abc"""', 'hf_token = """***"""'),
    ('+    token = "a1b2c3d4e5"', '+    token = "***"'),
    ('os.environ["HF_TOKEN"] = "abcdef"', 'os.environ["HF_TOKEN"] = "***"'),
    ('os.environ.setdefault("WANDB_API_KEY", "abc")', 'os.environ.setdefault("WANDB_API_KEY", "***")'),
    ('monkeypatch.setenv("API_KEY", "abc")', 'monkeypatch.setenv("API_KEY", "***")'),
    ('"source": ["hf_token = \\"abcdef\\"\\n",', '"source": ["hf_token = \\"***\\"\\n",'),
    ('{"password": "a\\"b", "user": "bob"}', '{"password": "***", "user": "bob"}'),
    ("python train.py --api-key=xyz --lr 1", "python train.py --api-key=*** --lr 1"),
    ("python train.py --password xyz --lr 1", "python train.py --password *** --lr 1"),
    ("python train.py logger.api_key=xyz lr=1", "python train.py logger.api_key=*** lr=1"),
    ("postgres://bob:hunter2@db/x", "postgres://bob:***@db/x"),
    ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
    ("https://" + "a1" * 12 + "@host/x.git", "https://***@host/x.git"),
    ("https://x.org/a?token=abcdef&page=2", "https://x.org/a?token=***&page=2"),
    ("https://s3/x?X-Amz-Signature=0123456789ab&y=1", "https://s3/x?X-Amz-Signature=***&y=1"),
    ("https://x.blob/y?sv=1&sig=abcdefghij%3D", "https://x.blob/y?sv=1&sig=***"),
    ("DefaultEndpoints=https;AccountKey=abc/+12==;X=y", "DefaultEndpoints=https;AccountKey=***;X=y"),
    ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ***"),
    ('-H "Authorization: Basic Ym9iOmh1bnRlcg=="', '-H "Authorization: Basic ***"'),
    ('{"Authorization": "Bearer abcdefgh12345678"}', '{"Authorization": "***"}'),
    ("sent bearer 0123456789abcdefghij", "sent bearer ***"),
    ("Cookie: session=abc; theme=dark", "Cookie: ***"),
    ("curl -u bob:hunter2 https://x.org", "curl -u bob:*** https://x.org"),
    ("machine api.wandb.ai login user password 01234", "machine api.wandb.ai login user password ***"),
    ("wandb login " + HEX[:40], "wandb login ***"),
    ("https://hooks.slack.com/services/T000/B000/abcdefghijklmnop", "https://hooks.slack.com/***"),
]

KEPT_TEXT = [
    'token = os.environ["HF_TOKEN"]',
    "token=token, api_key=config.api_key, password=password",
    "    token=hub_token,",
    "self.password = password",
    "api_key: str | None = None",
    "password: SecretStr",
    "api_key = get_key()",
    "secret = load(path)",
    "API_KEY=${API_KEY}",
    "curl -H 'Authorization: Bearer $TOKEN'",
    "--token TOKEN",
    "--api-key <key>",
    "--tokenizer bert-base --max-tokens 12",
    'pad_token="<pad>", eos_token="</s>", unk_token: "[UNK]"',
    'tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")',
    "for token in tokens: counts[token] += 1",
    'if token == "hello": break',
    "token = tokens[0]",
    'token = "hello"',
    "loss/token: 0.5 tokens: 512 token: 5",
    "train/loss_per_token=1.2345678",
    'print(f"password: {password}")',
    'help="The token to use", token="The token to use"',
    "commit 0123456789abcdef0123456789abcdef01234567",
    "sk-learn sk-estimator-id-1-container sk-toggleable__label-arrow-shape",
    "https://user@dev.azure.com/org/_git/repo",
    "http://localhost:8080/path?page=2&key=name",
    "git@github.com:org/repo.git",
    "key: value",
    "monkey=banana keyboard=qwerty",
    "password:",
    "the password is wrong",
    "Basic understanding of bearer bonds",
    "PWD=/home/me",
    "Epoch 3/10: loss=0.1234 acc=0.98 [00:12<00:45, 8.2it/s]",
]

KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_names_of_secrets(key: str) -> None:
    assert is_secret_key(key)
    assert mask_mapping({key: "hunter2"}) == {key: MASK}


@pytest.mark.parametrize("key", PLAIN_KEYS)
def test_names_of_other_things(key: str) -> None:
    assert not is_secret_key(key)
    assert mask_mapping({key: "hunter2"}) == {key: "hunter2"}


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("frame", ["{}", "x = '{}'", "+  {},", "https://x.org/{}/y", 'a\n{{"key": "{}"}}\nb'])
def test_shapes_of_tokens(name: str, frame: str) -> None:
    token = TOKENS[name]
    masked = mask_text(frame.format(token))
    assert token[8:] not in masked
    assert MASK in masked


@pytest.mark.parametrize(("text", "expected"), MASKED_TEXT)
def test_secrets_in_text(text: str, expected: str) -> None:
    assert mask_text(text) == expected
    assert mask_text(f"# before\n{text}\n# after\n") == f"# before\n{expected}\n# after\n"


@pytest.mark.parametrize("text", KEPT_TEXT)
def test_what_is_no_secret(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize("text", [text for text, _ in MASKED_TEXT] + KEPT_TEXT + list(TOKENS.values()))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


def test_private_keys() -> None:
    body = "MIIEowIBAAKCAQEA75\nabc/+def==\n"
    expected = f"a\n{KEY_BLOCK.format('***')}b"
    assert mask_text(f"a\n{KEY_BLOCK.format(body)}b").replace("KEY-----***", "KEY-----\n***") == expected
    in_diff = "+" + KEY_BLOCK.format(body).replace("\n", "\n+")
    assert "MIIE" not in mask_text(in_diff)
    assert "abc/" not in mask_text(in_diff)
    cut = in_diff[: in_diff.index("abc/") + 6]
    assert "MIIE" not in mask_text(cut)
    assert "abc" not in mask_text(cut)
    in_json = json.dumps({"service": KEY_BLOCK.format(body), "after": 1})
    masked = mask_text(in_json)
    assert "MIIE" not in masked
    assert '"after": 1' in masked


def test_a_real_diff_keeps_everything_but_the_secrets() -> None:
    diff = f"""diff --git a/.env b/.env
--- a/.env
+++ b/.env
@@ -1,2 +1,3 @@
 # settings
-OPENAI_API_KEY={TOKENS["OpenAI"]}
+OPENAI_API_KEY={TOKENS["OpenAI project"]}
+MAX_TOKENS=512
diff --git a/train.py b/train.py
@@ -10 +10,2 @@ def train(tokenizer, token: str | None = None):
-    login(token=token)
+    login(token="{TOKENS["Hugging Face"]}")
"""
    expected = diff
    for name in ("OpenAI", "OpenAI project", "Hugging Face"):
        expected = expected.replace(TOKENS[name], MASK)
    assert mask_text(diff) == expected


def test_mappings_are_masked_all_the_way_down() -> None:
    plain: dict[str, Any] = {
        "lr": 0.1,
        "hub": {"token": "abc", "private": True},
        "secrets": {"a": ["x", 1, None, True], "b": {"c": "y"}},
        "database": "postgres://bob:hunter2@db/x",
        "env": [{"name": "API_KEY", "value": "abc"}, {"name": "HOME", "value": "/root"}],
        "command": ["train.py", "--password", "abc", "--lr", "1"],
        "max_tokens": 512,
    }
    before = json.dumps(plain)
    assert mask_mapping(plain) == {
        "lr": 0.1,
        "hub": {"token": MASK, "private": True},
        "secrets": {"a": [MASK, MASK, None, True], "b": {"c": MASK}},
        "database": "postgres://bob:***@db/x",
        "env": [{"name": "API_KEY", "value": MASK}, {"name": "HOME", "value": "/root"}],
        "command": ["train.py", "--password", MASK, "--lr", "1"],
        "max_tokens": 512,
    }
    assert json.dumps(plain) == before


@pytest.mark.parametrize("value", [None, True, False, "", "<pad>", "[MASK]", "${HF_TOKEN}", 512])
def test_values_that_tell_nothing_stay(value: Any) -> None:
    assert mask_mapping({"token": value}) == {"token": value}


def test_command_lines() -> None:
    arguments = ["train.py", "--api-key=a b", "--password", "-x", "--hf-token", "abc", "+logger.api_key=q", "--lr", "1"]
    expected = ["train.py", "--api-key=***", "--password", MASK, "--hf-token", MASK, "+logger.api_key=***", "--lr", "1"]
    assert mask_arguments(arguments) == expected
    assert mask_arguments(["--password", "--lr", "1"]) == ["--password", "--lr", "1"]
    assert mask_arguments(["--max-tokens", "5", "--tokenizer", "x"]) == ["--max-tokens", "5", "--tokenizer", "x"]
    assert mask_arguments(["--db", "mysql://a:b@c"]) == ["--db", "mysql://a:***@c"]


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


@given(st.text(alphabet="apikey_=: \"'-./@<token>\n1234secret"))
def test_text_made_of_the_pieces_of_secrets(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


ADVERSARIAL = [
    "a" * 300_000,
    "password=" * 30_000,
    "://" * 100_000,
    "-----BEGIN PRIVATE KEY-----" * 10_000,
    "eyJaaaaaaaaa." * 20_000,
    "curl -u " * 30_000,
    'password="' + '\\"' * 100_000,
    "bearer " * 40_000,
    "sk-" * 100_000,
    "http://" + "a:" * 100_000,
    "password" + " " * 300_000,
    "login x password " * 20_000,
    "authorization: bearer " * 15_000,
    "token: " + "a.b" * 100_000,
    "x_token='" + "{{" * 100_000 + "'",
]


@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: text[:12])
def test_time_is_linear(text: str) -> None:
    before = time.process_time()
    mask_text(text)
    assert time.process_time() - before < 5  # well below a second; a quadratic pattern takes minutes
