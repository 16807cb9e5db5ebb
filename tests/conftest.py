"""The fixtures that every folder of tests has."""

from support.fixtures import mock_server, redis, tls_mock_server

__all__ = ["mock_server", "redis", "tls_mock_server"]
