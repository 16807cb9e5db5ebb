"""Tests of the library inside its host process: forks, threads, signals, descriptors, and the end of the process."""
