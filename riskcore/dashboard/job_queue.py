"""Who waits: first come first served within an owner, and owners take turns."""

from __future__ import annotations

from collections import deque
from pathlib import Path


class WaitingLine:
    """Jobs that wait, by the folder of their owner.

    >>> line = WaitingLine()
    >>> for name in ("a/1", "a/2", "a/3", "b/1"):
    ...     line.add(Path(name))
    >>> [str(folder) for folder in line.folders()]
    ['a/1', 'b/1', 'a/2', 'a/3']
    >>> line.next(), line.place(Path("a/2")), len(line)
    (PosixPath('a/1'), 1, 3)
    """

    def __init__(self) -> None:
        self._owners: dict[Path, deque[Path]] = {}  # in the order of their turns

    def __len__(self) -> int:
        return sum(map(len, self._owners.values()))

    def add(self, folder: Path) -> None:
        """Wait behind the owner's other jobs."""
        self._owners.setdefault(folder.parent, deque()).append(folder)

    def next(self) -> Path | None:
        """Take the job whose turn it is; its owner goes to the end."""
        if not self._owners:
            return None
        owner, own = next(iter(self._owners.items()))
        del self._owners[owner]
        folder = own.popleft()
        if own:
            self._owners[owner] = own
        return folder

    def take(self, folder: Path) -> bool:
        """Take a job out of the line; False if it is not in it."""
        own = self._owners.get(folder.parent)
        if own is None or folder not in own:
            return False
        own.remove(folder)
        if not own:
            del self._owners[folder.parent]
        return True

    def clear(self) -> list[Path]:
        """Take all out."""
        left = self.folders()
        self._owners.clear()
        return left

    def folders(self) -> list[Path]:
        """All that wait, in the order of their turns."""
        rounds = max(map(len, self._owners.values()), default=0)
        return [own[i] for i in range(rounds) for own in self._owners.values() if i < len(own)]

    def place(self, folder: Path) -> int | None:
        """How many are before it; None if it is not in the line."""
        order = self.folders()
        return order.index(folder) if folder in order else None
