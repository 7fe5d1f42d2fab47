"""Lightning in processes of its own: polite kills, several ranks, and the other tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("lightning.pytorch")


from lightning_models import Module, batches, trainer
from readings import OneRun, by_alias

from treering.api import Api
from treering.callbacks.lightning import TreeringLogger

# -- real processes ---------------------------------------------------------------------------------------------------

Ended = subprocess.CompletedProcess[str]
MODULE = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import {tree} as pl, torch
from treering.callbacks.lightning import TreeringCallback, TreeringLogger

class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def training_step(self, batch):
        self.log("loss", self.w.pow(2).mean(), sync_dist=True)
        return (self.w * batch[0]).pow(2).mean()
    def validation_step(self, batch):
        self.log("val_loss", self.w.pow(2).mean(), sync_dist=True)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

def batches(count):
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(count, 1)), 1)

QUIET = dict(accelerator="cpu", log_every_n_steps=1, enable_progress_bar=False)
"""


def run_program(
    source: str, folder: Path, *arguments: str, tree: str = "lightning.pytorch"
) -> subprocess.CompletedProcess[str]:
    """Run a program that has the module; it is a file, for processes that it starts import it again."""
    (folder / "program.py").write_text(MODULE.replace("{tree}", tree) + source)
    command = [sys.executable, "program.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


POLITELY_KILLED = """
class Mortal(Module):
    def training_step(self, batch):
        if self.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().training_step(batch)

for whose in ("ours", "theirs"):
    if not os.fork():  # each has the framework already
        os.environ["TREERING_DIR"] = whose
        break
else:
    os.wait(), os.wait()
    sys.exit()
if whose == "theirs":
    import treering
    treering.init()
try:
    pl.Trainer(max_epochs=1, logger=TreeringLogger(), enable_checkpointing=False, **QUIET).fit(Mortal(), batches(9))
finally:
    print(whose, "left in order")
"""


def test_a_polite_kill_lets_the_batch_end(tmp_path: Path) -> None:
    """Of a training that begins its run itself, and of one that finds it begun."""
    ended = run_program(POLITELY_KILLED, tmp_path)
    for whose in ("ours", "theirs"):
        assert f"{whose} left in order" in ended.stdout, ended.stderr
        (run,) = Api(tmp_path / whose).runs()
        assert (run.state, run.history("train/loss").x.tolist()) == ("preempted", [1, 2, 3])


TWO_RANKS = """
if __name__ == "__main__":
    trainer = pl.Trainer(max_epochs=1, logger=TreeringLogger(), devices=2, strategy=sys.argv[1], **QUIET)
    trainer.fit(Module(), batches(8), batches(8))
    print(trainer.global_rank, trainer.checkpoint_callback.best_model_path)
    if sys.argv[1] == "ddp_spawn":  # the ranks are gone, and this process goes on
        trainer.logger.log_metrics({"after": 1.0}, step=0)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)  # three processes import the framework
@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])
def test_two_ranks_are_one_run(strategy: str, tmp_path: Path, store_dir: Path) -> None:
    """Ranks are programs started again, or processes that get the logger as it is pickled."""
    ended = run_program(TWO_RANKS, tmp_path, strategy)
    assert ended.returncode == 0, ended.stderr
    (run,) = Api(store_dir).runs()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert run.history("val/loss").x.tolist() == [4]
    assert run.config["lightning"]["trainer"]["world_size"] == 2
    assert "step-4" in by_alias(run)
    saved = tmp_path / "treering" / run.id / "checkpoints" / "epoch=0-step=4.ckpt"
    ranks = (0, 1) if strategy == "ddp" else (0,)
    assert {f"{rank} {saved}" for rank in ranks} <= set(ended.stdout.splitlines())
    assert ("after" in run.metrics) == (strategy == "ddp_spawn")


@pytest.mark.filterwarnings("ignore:Using `DistributedSampler` with the dataloaders:UserWarning")  # of a test
@pytest.mark.filterwarnings("ignore:It is recommended to use .self.log:UserWarning")  # the values are all the same
def test_two_forked_ranks_are_one_run(tmp_path: Path, only_run: OneRun) -> None:
    """`ddp_fork` copies the logger into processes that begin in the middle of this one and end without its exit."""
    fit = trainer(tmp_path, TreeringLogger(watch={"every": 1}), max_epochs=1, devices=2, strategy="ddp_fork")
    fit.fit(Module(), batches(8), batches(2))
    fit.test(fit.lightning_module, batches(2), verbose=False)
    run = only_run()
    assert run.state == "finished"
    assert run.history("test/loss").x.tolist() == [4], "tested in processes that know of no step"
    assert run.history("train/loss").x.tolist() == run.history("grad/norm").x.tolist() == [1, 2, 3, 4]
    assert run.history("val/loss").x.tolist() == [4]
    assert run.config["lightning"]["trainer"]["world_size"] == 2
    assert "step-4" in by_alias(run)
    assert run.id == fit.logger.version, "what this process logs later belongs to the same run"


# -- the other tree ---------------------------------------------------------------------------------------------------

OTHER_TREE = """
assert issubclass(TreeringLogger, pl.loggers.logger.Logger) and issubclass(TreeringCallback, pl.Callback)
for name in ("lightning.pytorch", "keras", "tensorflow", "stable_baselines3"):
    assert name not in sys.modules, name

for epochs, path in ((1, None), (2, "last.ckpt")):
    saver = pl.callbacks.ModelCheckpoint(".", "last", every_n_train_steps=1, enable_version_counter=False)
    trainer = pl.Trainer(max_epochs=epochs, logger=TreeringLogger(), callbacks=[saver], **QUIET)
    trainer.fit(Module(), batches(2), ckpt_path=path)
"""


def test_pytorch_lightning(tmp_path: Path, store_dir: Path) -> None:
    ended = run_program(OTHER_TREE, tmp_path, tree="pytorch_lightning")
    assert ended.returncode == 0, ended.stderr
    (run,) = Api(store_dir).runs()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert {"last", "step-4"} <= by_alias(run).keys()
