"""A worker as in callers.py, whose callers begin when a line arrives on its standard input, and end with it.

Arguments and output are those of callers.py.
"""

import sys

import callers

print("started", flush=True)
sys.stdin.readline()
callers.main()
