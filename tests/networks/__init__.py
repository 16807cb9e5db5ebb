"""Tests of the library in the networks that its users have: proxies, several addresses, private certificates."""
