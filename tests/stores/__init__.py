"""Tests of what processes share in a store, be it a file or a Redis server, and of what they do without it."""
