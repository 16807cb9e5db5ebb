"""A worker as in callers.py, whose callers begin when a line arrives on its standard input, and end with it.

Arguments and output are those of callers.py.
"""

import runpy
import sys
from pathlib import Path

print("started", flush=True)
sys.stdin.readline()
runpy.run_path(str(Path(__file__).with_name("callers.py")), run_name="__main__")
