"""A store with models that were made, used, linked and cut down by real runs; its tensors need no framework."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import treering

__all__ = ["fill_models", "safetensors"]


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    """The bytes of a file of float32 tensors."""
    head, at = dict[str, object](), 0
    for name, values in tensors.items():
        head[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + 4 * values.size]}
        at += 4 * values.size
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(v.astype("<f4").tobytes() for v in tensors.values())


def fill_models(folder: Path, project: str = "vision") -> dict[str, str]:
    """Write "digits" v0 to v3, each with a frozen and a learning layer, and who uses them; returns ids by name."""
    ids: dict[str, str] = {}
    rng = np.random.default_rng(0)
    frozen, learning = rng.standard_normal((64, 32)), rng.standard_normal((32, 10))
    with treering.init(dir=folder, project=project, name="prepare") as run:
        data = treering.Artifact("images", "dataset", description="small pictures", metadata={"rows": 1797})
        with data.new_file("train/pixels.csv") as file:
            file.write("0,1\n" * 500)
        with data.new_file("README.md") as file:
            file.write("pictures of digits\n")
        ids["images:v0"] = run.log_artifact(data).wait().id
        ids["prepare"] = run.id
    with treering.init(dir=folder, project=project, name="train", config={"lr": 0.1}) as run:
        run.use_artifact("images:latest")
        for epoch in range(4):
            model = treering.Artifact(
                "digits", "model", metadata={"epoch": epoch, "score": 0.9 + 0.02 * epoch, "mode": "max"}
            )
            tensors = {"frozen.weight": frozen, "head.weight": learning * (1 + 0.1 * epoch), "head.bias": np.ones(10)}
            if epoch == 3:
                tensors["head.bias"] = np.full(10, np.nan)
                tensors["extra.weight"] = np.zeros((2, 2))
            with model.new_file("model.safetensors", mode="wb") as file:
                file.write(safetensors(tensors))
            with model.new_file("config.json") as file:
                file.write(json.dumps({"epoch": epoch // 2}))
            run.log({"loss": 1 / (epoch + 1)})
            logged = run.log_artifact(model, aliases=[f"step-{epoch}", *(["best"] if epoch == 2 else [])])
            ids[f"digits:v{epoch}"] = logged.wait().id
        ids["train"] = run.id
    with treering.init(dir=folder, project=project, name="evaluate") as run:
        run.use_artifact("digits:best")
        report = treering.Artifact("report", "report")
        with report.new_file("report.txt") as file:
            file.write("good\n")
        ids["report:v0"] = run.log_artifact(report).wait().id
        ids["evaluate"] = run.id
        linked = run.link_model(treering.Api(folder).version(f"{project}/digits:best"), "digits", stage="staging")
        ids["registered"] = linked.wait().id
    return ids
