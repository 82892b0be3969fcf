"""A progress bar with rate and time left: one line that is redrawn on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 24
_REDRAW_SECONDS = 0.2
_SPARSE_SECONDS = 30.0


class Bar:
    """Writes to `stream` how many days are done, how fast, and how long it will take.

    Parameters
    ----------
    stream : text file
        Standard error, as a rule.
    clock : callable
        Seconds; a test hands in its own.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._terminal = stream.isatty()
        self._start = self._last = clock()
        self._first: int | None = None
        self._ended = False

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` days are done."""
        now = self._clock()
        if self._first is None:
            self._first, self._start, self._last = done, now, now
            if self._terminal:
                self._write(done, total, now)
            return
        pause = _REDRAW_SECONDS if self._terminal else _SPARSE_SECONDS
        end = done >= total
        if self._ended or (now - self._last < pause and not end):
            return
        self._last, self._ended = now, end
        self._write(done, total, now)

    def _write(self, done: int, total: int, now: float) -> None:
        text = progress_line(done, total, done - (self._first or 0), now - self._start)
        self._stream.write(f"\r{text:<78}" if self._terminal else f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line on a terminal."""
        if self._terminal and self._first is not None:
            self._stream.write("\n")
            self._stream.flush()


def progress_line(done: int, total: int, new: int, seconds: float) -> str:
    """Text of the bar; the rate counts only `new`, the days done in these `seconds`.

    >>> progress_line(50, 100, 50, 10.0)
    '[############............]  50 % 50/100 days, 5/s, 10 s left'
    """
    share = min(done / total, 1.0) if total else 1.0
    full = int(share * _WIDTH)
    text = f"[{'#' * full}{'.' * (_WIDTH - full)}] {100 * share:3.0f} % {done}/{total} days"
    if new <= 0 or seconds <= 0:
        return text
    text += f", {new / seconds:,.0f}/s"
    left = time_left(done, total, new, seconds)
    return text + (f", {duration(left)} left" if left is not None and done < total else f", {duration(seconds)}")


def time_left(done: int, total: int, new: int, seconds: float) -> float | None:
    """Seconds until all days are done at the rate of the `new` ones; None while there is no rate.

    >>> time_left(50, 100, 25, 10.0), time_left(50, 100, 0, 10.0)
    (20.0, None)
    """
    if new <= 0 or seconds <= 0:
        return None
    return max(total - done, 0) * seconds / new


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(8.2), duration(75), duration(7320)
    ('8 s', '1 min 15 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
