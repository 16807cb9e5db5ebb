"""Tests of what is Python's own. What every language does alike is tested by the conformance suite."""
