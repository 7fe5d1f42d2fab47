"""A program written for W&B runs with `import treering as wandb` in place of its own import."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import treering
import treering as wandb
from treering.errors import UsageError


def test_a_whole_program(store_dir: Path, tmp_path: Path) -> None:
    options = argparse.Namespace(lr=0.1, epochs=2, secret_path="x")
    assert wandb.login(key="0" * 40, anonymous="allow") is False
    run = wandb.init(
        project="switch", entity="team", config=options, config_exclude_keys=["secret_path"], tags=None, notes=None,
        save_code=True, anonymous="allow", settings=wandb.Settings(system_interval_s=0.0),
    )  # fmt: skip
    assert (wandb.config.lr, dict(run.config)) == (0.1, {"lr": 0.1, "epochs": 2})
    wandb.config.update({"batch": 8}, allow_val_change=True)
    run.define_metric("val/*", step_metric="epoch")
    for epoch in range(wandb.config.epochs):
        wandb.log({"val/loss": 1.0 / (epoch + 1), "epoch": epoch}, commit=False)
        wandb.log({"heard": wandb.Audio(np.zeros(100), sample_rate=8000), "page": wandb.Html("<b>x</b>")})
    run.alert(title="done", text="all epochs", level=wandb.AlertLevel.WARN)
    run.mark_preempting()
    (tmp_path / "code" / ".hidden").mkdir(parents=True)
    for name in ("train.py", "notes.txt", ".hidden/x.py"):
        (tmp_path / "code" / name).write_text("pass")
    code = run.log_code(tmp_path / "code")
    assert code is not None
    assert [file.path for file in code.wait().files()] == ["train.py"]
    assert run.log_code(tmp_path / "code", include_fn=lambda path: False) is None
    wandb.finish(exit_code=0, quiet=True)
    read = wandb.Api().run(f"{run.entity}/{run.project}/{run.id}")
    assert (read.state, read.config["batch"], read.summary["val/loss"]) == ("finished", 8, 0.5)
    assert wandb.Api().run(f"team/{run.path}").id == read.id


def test_only_some_of_the_config() -> None:
    with treering.init(
        config={"a": 1, "b": 2, "c": 3}, config_include_keys=["a", "b"], config_exclude_keys=["b"]
    ) as run:
        assert dict(run.config) == {"a": 1}


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (3, "failed")])
def test_an_exit_code_is_the_end(code: int, state: str) -> None:
    for end in (treering.finish, None):
        run = treering.init()
        (end or run.finish)(exit_code=code)
        assert treering.Api().run(run.id).state == state


def test_an_argument_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match=r"init\(\) got projct=, which it does not take; did you mean project=\?"):
        treering.init(projct="x")
    with pytest.raises(UsageError, match=r"init\(\) got zzz=, which it does not take; help"):
        treering.init(zzz=1)


def test_lines_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    treering.termlog("one")
    treering.termwarn("two", repeat=False)
    treering.termwarn("two", repeat=False)
    treering.termerror("three", newline=False)
    assert capsys.readouterr().err == "treering: one\ntreering: warning: two\ntreering: error: three"


def test_a_key_without_a_server_is_not_kept(tmp_path: Path) -> None:
    program = "import treering; print(treering.login(key='k' * 40))"
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(treering.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "False\n"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "kkkk" in path.read_text(errors="replace")]
