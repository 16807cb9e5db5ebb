"""Keeps one valid SePay Bank Hub access token for a program.

    import bankhub

    with bankhub.TokenCache.from_env() as tokens:
        headers = {"Authorization": "Bearer " + tokens.get()}

libbankhub does the work. The import of this package loads it: the file that the environment variable BANKHUB_LIBRARY
names, else the file in the folder of this package, else the file that the system's loader finds.
"""

from ._abi import BANKHUB_PRODUCTION_URL as PRODUCTION_URL
from ._abi import BANKHUB_SANDBOX_URL as SANDBOX_URL
from ._errors import (
    BadResponse,
    BankHubError,
    Closed,
    DeadlineExceeded,
    InternalError,
    InvalidArgument,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from ._stats import Stats
from ._token import Token
from ._token_cache import TokenCache
from ._token_source import AsyncTokenSource, TokenSource

__all__ = [
    "PRODUCTION_URL",
    "SANDBOX_URL",
    "AsyncTokenSource",
    "BadResponse",
    "BankHubError",
    "Closed",
    "DeadlineExceeded",
    "InternalError",
    "InvalidArgument",
    "RateLimited",
    "Stats",
    "Token",
    "TokenCache",
    "TokenSource",
    "Unauthenticated",
    "Unavailable",
]

# So that a traceback names a class as users import it.
for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
del _name
