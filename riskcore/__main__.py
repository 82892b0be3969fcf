"""``python -m riskcore`` is the command ``riskcore``."""

from riskcore.cli import main

if __name__ == "__main__":
    main(prog_name="riskcore")
