"""Shared by the tests of every folder: the mock server, drivers, Redis, proxies, certificates, waiting, leaks."""
