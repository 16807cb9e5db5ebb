"""Tests of what only Python has. The conformance suite tests what all languages have in common."""
