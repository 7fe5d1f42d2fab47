"""Takes the dashboard's pictures for README and docs (`nox -s screens`), of what it trains: nothing is made up.

Names of pictures after the command take only these.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from PIL import Image
from safetensors.torch import save
from sklearn.datasets import load_digits

import treering

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT.parent / "tests" / "support"))
from browser import ARGUMENTS, chromium  # noqa: E402  # of the tests
from dashboard_yard import TOKEN, serving  # noqa: E402

SIZE = {"width": 1440, "height": 810}
COLOURS = 96
EVERY = 25
PANELS: list[dict[str, Any]] = [
    {"id": "a", "kind": "scatter", "x": "config.lr", "y": "min.val/loss", "colour": "config.optimizer", "logX": True},
    {"id": "b", "kind": "importance", "y": "summary.val/accuracy", "goal": "max"},
    {"id": "c", "kind": "parallel", "colour": "summary.val/accuracy"}
    | {"columns": ["config.lr", "config.width", "config.optimizer", "min.val/loss", "summary.val/accuracy"]},
    {"id": "d", "kind": "box", "y": "summary.val/accuracy", "by": "config.optimizer"},
    {"id": "e", "kind": "lines", "keys": "^(train|val)/loss", "logY": True},
]


def train(lr: float, width: int, optimizer: str, steps: int = 500) -> None:
    """A small classifier of digits, watched."""
    torch.manual_seed(width)
    data = load_digits()
    x, y = torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target)
    inner = (torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU())
    model = torch.nn.Sequential(*inner, torch.nn.Linear(width, 10))
    rule: Any = getattr(torch.optim, optimizer)(model.parameters(), lr)
    with treering.init(project="digits", config={"lr": lr, "width": width, "optimizer": optimizer}) as run:
        treering.watch(model, rule)
        for step in range(steps):
            batch = torch.randint(0, 1500, (64,))
            loss = torch.nn.functional.cross_entropy(model(x[batch]), y[batch])
            rule.zero_grad()
            loss.backward()
            rule.step()
            row = {"train/loss": loss.item()}
            if (step + 1) % EVERY == 0:
                with torch.no_grad():
                    told = model(x[1500:])
                row["val/loss"] = torch.nn.functional.cross_entropy(told, y[1500:]).item()
                row["val/accuracy"] = (told.argmax(1) == y[1500:]).float().mean().item()
            run.log(row)
            if (step + 1) % (steps // 2) == 0 and optimizer == "Adam" and lr < 1e-2:  # noqa: PLR2004  # one of them
                keep_checkpoint(run, model, step + 1, row["val/accuracy"])


def keep_checkpoint(run: treering.Run, model: torch.nn.Module, step: int, accuracy: float) -> None:
    """Keep the weights as a version."""
    kept = treering.Artifact("classifier", "model", metadata={"step": step, "score": accuracy, "mode": "max"})
    with kept.new_file("model.safetensors", "wb") as file:
        file.write(save(dict(model.state_dict())))
    run.log_artifact(kept, aliases=[f"step-{step}"]).wait()


def pictures(sweep: str, report: str) -> dict[str, str]:
    """The address of each picture; `sweep` is one that has ended."""
    runs = [run.id for run in treering.Api().runs("digits", order="-summary.val/accuracy")]
    chosen = f"runs={','.join(runs[:4])}&base={runs[0]}"
    found = {
        "project": "/digits",
        "panels": f"/digits?panels={quote(json.dumps(PANELS))}&own={quote(json.dumps({':c': {'w': 2}}))}",
        "gradients": f"/digits/runs/{treering.Api().runs('digits')[0].id}?tab=gradients",
        "compare": f"/digits/compare?{chosen}",
        "artifacts": "/digits/artifacts/classifier?version=1&part=changes&from=0",
        "sweep": f"/search/sweeps/{sweep}",
        "report": f"/digits/reports/{report}?edit=1",
    }
    return {name: path for name, path in found.items() if name in (sys.argv[1:] or found)}


SEARCH: dict[str, Any] = {
    "method": "tpe",
    "name": "digits: width, rate, dropout",
    "seed": 1,
    "metric": {"name": "val/loss", "goal": "minimize"},
    "run_cap": 48,
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.3},
        "dropout": {"min": 0.0, "max": 0.6},
        "width": {"distribution": "q_log_uniform_values", "min": 8, "max": 256, "q": 8},
        "optimizer": {"values": ["SGD", "Adam", "AdamW"]},
    },
    "early_terminate": {"type": "hyperband", "min_iter": 2, "audit": 0.3},
}


def trial() -> None:
    """One trial of the search: the same digits, with what the sweep chose."""
    torch.manual_seed(0)
    data = load_digits()
    x, y = torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target)
    with treering.init() as run:
        width, chosen = int(run.config["width"]), run.config
        model = torch.nn.Sequential(
            torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Dropout(chosen["dropout"]), torch.nn.Linear(width, 10)
        )
        rule: Any = getattr(torch.optim, chosen["optimizer"])(model.parameters(), chosen["lr"])
        for _ in range(8):
            for batch in torch.randperm(1500).split(64):
                rule.zero_grad()
                torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
                rule.step()
            model.eval()
            with torch.no_grad():
                run.log({"val/loss": torch.nn.functional.cross_entropy(model(x[1500:]), y[1500:]).item()})
            model.train()
            time.sleep(0.2)  # the rule of early stopping looks at what has been written
            if run.should_stop:
                break


def keep(picture: bytes, name: str) -> None:
    """Write a picture with few colours: a page has no more."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    # Greys that lie close together stay apart: a page is told from the cards on it by them.
    image = image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    image.save(ROOT / "assets" / f"{name}.png", optimize=True)


REPORT = """Ten small networks learn to tell digits apart, each with its own optimizer and *learning rate*.

```chart
title: The wider networks
keys: [train/loss, val/accuracy]
filter: config.width = 128
smoothing: ema 45
```

```runs
title: The best five
columns: [name, state, config.optimizer, config.lr, config.width, summary.val/accuracy, summary.val/loss]
order: -summary.val/accuracy
limit: 5
```
"""


def main() -> None:
    """Train, serve, look."""
    from playwright.sync_api import sync_playwright

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TREERING_DIR"] = folder
        for optimizer, lr in (("SGD", 0.1), ("SGD", 0.3), ("Adam", 1e-3), ("Adam", 1e-2), ("AdamW", 3e-3)):
            for width in (32, 128):
                train(lr, width, optimizer)
        sweep = treering.sweep(SEARCH, project="search")
        treering.agent(sweep, trial)
        report = treering.Api().create_report("digits", "Which optimizer learns digits?", REPORT, "Ada").id
        with serving(Path(folder)) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
            for theme in ("light", "dark"):
                page = browser.new_page(viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]  # one of two words
                page.goto(f"{served.url}/login?token={TOKEN}")
                page.wait_for_url(f"{served.url}/")  # it goes on from there by itself
                for name, path in pictures(sweep, report).items():
                    page.goto(f"{served.url}{path}")
                    page.wait_for_selector("canvas, main table")
                    page.wait_for_timeout(1500)
                    for waiting in ("Being worked out", "Comparing runs"):
                        page.get_by_text(waiting).first.wait_for(state="hidden", timeout=120_000)
                    keep(page.screenshot(), f"{name}-{theme}")
            browser.close()


if __name__ == "__main__":
    main()
