"""The command line of the suite: `python -m suite [--only NAMES]`, with tests/ on PYTHONPATH."""

from __future__ import annotations

import argparse
import signal
import sys

from .runner import main

parser = argparse.ArgumentParser(prog="make test", description="Runs the checks and tests of every language.")
parser.add_argument("--only", default="", help="names of steps or groups, with commas between them; ? lists them")
signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what runs, as with Ctrl-C
sys.exit(main(parser.parse_args().only))
