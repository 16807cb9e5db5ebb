"""Tests of a store that processes share, in a file or on a Redis server, and of processes whose store fails."""
