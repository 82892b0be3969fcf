"""``python -m benchmarks [--short] [names...]``: speed beside the peers, quality of the optima, growth of the cost."""

from __future__ import annotations

import argparse
import os

from threadpoolctl import threadpool_limits

for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):  # before anything reads them
    os.environ[_name] = "1"


def main() -> None:
    """Read the command line and print."""
    from benchmarks import sections

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(sections.NAMES)}; all by default")
    parser.add_argument("--short", action="store_true", help="small sizes: whether it runs, not how fast it is")
    given = parser.parse_args()
    names = given.names or list(sections.NAMES)
    if unknown := sorted(set(names) - set(sections.NAMES)):
        parser.error(f"NAME must be one of {', '.join(sections.NAMES)}, got {', '.join(unknown)}")
    print(sections.machine(), flush=True)
    with threadpool_limits(limits=1):
        for part in sections.parts(names, given.short):
            print(f"\n{part}", flush=True)


if __name__ == "__main__":
    main()
