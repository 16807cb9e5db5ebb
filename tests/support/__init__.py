"""What the tests of every folder use: the mock server, drivers, Redis, proxies, certificates, waiting, leaks."""
