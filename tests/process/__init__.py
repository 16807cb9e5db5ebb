"""Tests of what the library does to the process it lives in: its forks, threads, signals, descriptors and its end."""
