"""Runs every check and test of every language, and counts them; `make test` calls it."""
