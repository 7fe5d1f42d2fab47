"""Configuration objects of the libraries that people keep their settings in, and tensors."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from treering.plain import MASK, to_plain


def test_omegaconf() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create(
        {"lr": 0.1, "same": "${lr}", "todo": "???", "layers": [1, "${lr}"], "nested": {"deep": {"x": None}}}
    )
    assert to_plain({"config": config}) == {
        "config": {"lr": 0.1, "same": 0.1, "todo": "???", "layers": [1, 0.1], "nested": {"deep": {"x": None}}}
    }


def test_omegaconf_whose_interpolations_lead_nowhere() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create(
        {"lr": 0.1, "same": "${lr}", "bad": "${nope}", "todo": "???", "n": {"a": "${lr}", "b": "${no.pe}"}}
    )
    assert to_plain(config) == {
        "lr": 0.1,
        "same": 0.1,
        "bad": "${nope}",
        "todo": "???",
        "n": {"a": 0.1, "b": "${no.pe}"},
    }
    assert to_plain(omegaconf.OmegaConf.create([1, "???", "${x}"])) == [1, "???", "${x}"]
    assert to_plain(omegaconf.DictConfig(None)) is None


def test_attrs() -> None:
    attr: Any = pytest.importorskip("attr")
    kind = attr.make_class("Options", {"lr": attr.ib(default=0.1), "_own": attr.ib(default=2)}, slots=True)
    assert to_plain(kind()) == {"lr": 0.1}


def test_pydantic() -> None:
    pydantic: Any = pytest.importorskip("pydantic")
    kind = pydantic.create_model(
        "Options",
        __config__={"extra": "allow"},
        lr=(float, 0.1),
        key=(pydantic.SecretStr, pydantic.SecretStr("hush")),
    )
    assert to_plain(kind(more=[1])) == {"lr": 0.1, "key": MASK, "more": [1]}


def test_torch() -> None:
    torch: Any = pytest.importorskip("torch")
    tensor = {"__type__": "torch.Tensor", "shape": [3, 4], "dtype": "torch.float32"}
    assert to_plain(torch.zeros(3, 4)) == tensor
    assert to_plain(torch.tensor(1.5, requires_grad=True)) == 1.5
    assert to_plain(torch.zeros((), device="meta")) == {**tensor, "shape": []}
    assert to_plain([torch.float16, torch.device("cuda:1"), torch.channels_last]) == [
        "torch.float16",
        "cuda:1",
        "torch.channels_last",
    ]
    assert to_plain(torch.nn.functional.relu) == "torch.nn.functional.relu"
    assert to_plain(torch.nn.Linear(2, 3)) == {
        "__type__": "torch.nn.modules.linear.Linear",
        "training": True,
        "in_features": 2,
        "out_features": 3,
    }
    optimizer = to_plain(torch.optim.SGD([torch.zeros(1)], lr=0.1))
    assert isinstance(optimizer, dict)
    assert optimizer["__type__"] == "torch.optim.sgd.SGD"


def test_pandas() -> None:
    pandas: Any = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2]})
    assert to_plain(frame) == {"__type__": f"{type(frame).__module__}.DataFrame", "shape": [2, 1]}


def test_nothing_is_imported() -> None:
    program = (
        "import sys; from treering.plain import to_plain; to_plain({'a': 1, 'b': object(), 'c': sys});"
        "print([name for name in ('numpy', 'omegaconf', 'attr', 'pydantic', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
