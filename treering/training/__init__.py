"""What all callbacks share: which run a training writes to, under which names and axes, and how it ended.

An adapter turns the hooks of its framework into calls on one `Training`; what two adapters would both decide is
decided here. The shape of an adapter:

    self._training = Training("keras", run, log_every=10, **options)    # opens nothing yet
    with self._training.guard("on_train_begin"):
        self._training.begin(step=0, resumed=state_from_the_checkpoint)
        self._training.configure("model", {...})
    with self._training.guard("on_train_batch_end"):
        if self._training.due(step):
            self._training.log({"loss": 0.5}, step=step, prefix="train", epoch=1, batch=7)
    with self._training.guard("on_save"):
        self._training.checkpoint(path, step=step, score=Score("val/loss", 0.4))
    with self._training.guard("on_train_end"):
        self._training.end()

Where what is:

which run    `_training` (`Training`), `options` that every adapter takes, `adopted` (runs that adapters opened, told
             apart from the user's), `ranks`, `lazy` (a run that is asked for before anything is recorded)
what of it   `names` and values of series, `checkpoints`, `guard` around hooks
watching     `gradients` (rows and findings, whichever framework they come from), `pace` (how often), `clerk` (the
             thread that waits for devices)
"""

from __future__ import annotations

from treering.training._training import Training
from treering.training.lazy import LazyRun
from treering.training.names import learning_rates, metric_name, number
from treering.training.options import Options, Score

__all__ = ["LazyRun", "Options", "Score", "Training", "learning_rates", "metric_name", "number"]
