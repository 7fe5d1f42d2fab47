"""Work that takes longer than an answer may: begun by whoever asks first, shared by who asks for the same, and kept."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from treering.errors import TreeringError
from treering.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Job", "Jobs"]

_KEPT = 32
_WAITING = 8


class Job:
    """Something that is being worked out.

    Attributes:
        done: how much of `total` there is; both 0 while nobody can tell.
        result: None until it is there.
        trouble: why there will be none, "" for none.
    """

    def __init__(self) -> None:
        self.done = self.total = 0
        self.result: Any = None
        self.trouble = ""
        self.ended_s = 0.0
        self._end = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether there is a result, or will be none."""
        return self._end.is_set()

    def tell(self, done: int, total: int) -> None:
        """Say how far it is."""
        self.done, self.total = done, total

    def wait(self, timeout_s: float) -> None:
        """Wait for its end, for so long at most."""
        self._end.wait(timeout_s)

    def run(self, work: Callable[[Job], Any]) -> None:
        """Do it."""
        try:
            self.result = work(self)
        except TreeringError as error:
            self.trouble = str(error)
        except Exception:
            logging.getLogger("treering.server").exception("a computation failed")
            self.trouble = "something went wrong in the server; what it was is in its log"
        finally:
            self.ended_s = time.monotonic()
            self._end.set()


class Jobs:
    """Does one thing after another, beside the requests, so that it takes no more than one processor and its memory."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def get(self, key: Hashable, work: Callable[[Job], Any], *, fresh_s: float | None = None) -> Job:
        """Return the job of this key, begun now if there is none.

        Args:
            key: what is to be worked out.
            work: does it; gets the job, to tell how far it is.
            fresh_s: how old a result may be; None for any age.

        Raises:
            Refusal: too many others wait.
        """
        with self._lock:
            known = self._jobs.get(key)
            if known is not None and not _is_stale(known, fresh_s):
                self._jobs.move_to_end(key)
                return known
            if sum(not job.is_over for job in self._jobs.values()) >= _WAITING:
                raise Refusal(429, "busy", "too much is being worked out already; wait a moment")
            job = self._jobs[key] = Job()
            self._jobs.move_to_end(key)
            for old in [name for name, one in self._jobs.items() if one.is_over][: max(len(self._jobs) - _KEPT, 0)]:
                del self._jobs[old]
        # A daemon: a server that ends does not wait for it, and what it reads is only read.
        threading.Thread(target=self._do, args=(job, work), name="treering-job", daemon=True).start()
        return job

    def _do(self, job: Job, work: Callable[[Job], Any]) -> None:
        with self._turn:
            job.run(work)


def _is_stale(job: Job, fresh_s: float | None) -> bool:
    if not job.is_over:
        return False
    # What failed is tried again, a little later.
    limit_s = 2.0 if job.trouble else fresh_s
    return limit_s is not None and time.monotonic() - job.ended_s > limit_s
