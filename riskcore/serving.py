"""What every worker process does first: it leaves the decision to stop to its parent, and ends when that is gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def serve(parent: int) -> None:
    """Once in each worker, before its first task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="riskcore-parent", daemon=True).start()


def serving() -> dict[str, Any]:
    """Options of ``joblib.Parallel`` for workers of this process; with the same options workers are used again."""
    return {"initializer": serve, "initargs": (os.getpid(),)}
