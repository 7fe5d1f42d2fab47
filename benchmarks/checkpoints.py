"""Real checkpoints to store: a small transformer that learns the text of Python's library, trained with AdamW.

Each is a folder as the Trainer of Transformers leaves it: `model.safetensors` and `optimizer.pt`.
"""

from __future__ import annotations

import os
import sysconfig
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["FROZEN", "FULL", "train"]

#: Folders of consecutive checkpoints: of all layers trained, and of the upper 30 % going on by themselves.
FULL, FROZEN = "full", "frozen"
_HEADS, _LENGTH, _BATCH = 4, 32, 4


def train(folder: Path, *, width: int, layers: int, before: int, apart: int, versions: int) -> None:
    """Train, and leave checkpoints in `folder/full/0`, `folder/full/1` ..., then in `folder/frozen/...`.

    Args:
        folder: made when missing.
        width: of the model.
        layers: of the model.
        before: steps before the first checkpoint of the full training.
        apart: steps between two checkpoints.
        versions: number of checkpoints of each kind.
    """
    torch = import_module("torch")
    torch.manual_seed(0)
    text = _text(torch)
    model = _model(torch, width, layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    _steps(torch, model, optimizer, text, before)
    _checkpoints(torch, model, optimizer, text, folder / FULL, apart, versions)
    parameters = list(model.parameters())
    left = 0.7 * sum(parameter.numel() for parameter in parameters)
    for parameter in parameters:
        left -= parameter.numel()
        if left < 0:
            break
        parameter.requires_grad_(requires_grad=False)
    tuned = [parameter for parameter in parameters if parameter.requires_grad]
    _checkpoints(torch, model, torch.optim.AdamW(tuned, lr=1e-4), text, folder / FROZEN, apart, versions)


def _text(torch: Any) -> Any:
    folder = Path(sysconfig.get_path("stdlib"))
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py"))[:80])
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).long()


def _model(torch: Any, width: int, layers: int) -> Any:
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(width, _HEADS, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
    return nn.ModuleDict(
        {
            "embed": nn.Embedding(256, width),
            "place": nn.Embedding(_LENGTH, width),
            "blocks": nn.TransformerEncoder(layer, layers, enable_nested_tensor=False),
            "head": nn.Linear(width, 256),
        }
    )


def _steps(torch: Any, model: Any, optimizer: Any, text: Any, count: int) -> None:
    mask = torch.nn.Transformer.generate_square_subsequent_mask(_LENGTH)
    for _ in range(count):
        starts = torch.randint(0, len(text) - _LENGTH - 1, (_BATCH,)).tolist()
        batch = torch.stack([text[start : start + _LENGTH + 1] for start in starts])
        hidden = model["embed"](batch[:, :-1]) + model["place"].weight
        guess = model["head"](model["blocks"](hidden, mask=mask, is_causal=True))
        loss = torch.nn.functional.cross_entropy(guess.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _checkpoints(torch: Any, model: Any, optimizer: Any, text: Any, folder: Path, apart: int, versions: int) -> None:
    save_file = import_module("safetensors.torch").save_file
    for number in range(versions):
        _steps(torch, model, optimizer, text, apart)
        place = folder / f"{number}"
        os.makedirs(place)
        save_file(model.state_dict(), place / "model.safetensors")
        torch.save(optimizer.state_dict(), place / "optimizer.pt")
