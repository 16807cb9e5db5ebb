"""The constants and structs of bankhub.h for ctypes, with their C names. The header documents them."""

from ctypes import Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64

BANKHUB_ABI_MAJOR = 0
BANKHUB_ABI_MINOR = 1

BANKHUB_SANDBOX_URL = "https://bankhub-api-sandbox.sepay.vn"
BANKHUB_PRODUCTION_URL = "https://bankhub-api.sepay.vn"

BANKHUB_ALLOW_HTTP = 1
BANKHUB_TOKEN_CAPACITY = 4096
BANKHUB_MESSAGE_CAPACITY = 512
BANKHUB_TIMEOUT_DEFAULT = 2**32 - 1

BANKHUB_OK = 0
BANKHUB_INVALID_ARGUMENT = 1
BANKHUB_UNAUTHENTICATED = 2
BANKHUB_RATE_LIMITED = 3
BANKHUB_UNAVAILABLE = 4
BANKHUB_BAD_RESPONSE = 5
BANKHUB_DEADLINE = 6
BANKHUB_CLOSED = 7
BANKHUB_INTERNAL = 8


class bankhub_config(Structure):
    _fields_ = (
        ("size", c_size_t),
        ("client_id", c_char_p),
        ("client_secret", c_char_p),
        ("base_url", c_char_p),
        ("ca_file", c_char_p),
        ("proxy", c_char_p),
        ("store", c_char_p),
        ("connect_timeout_ms", c_uint32),
        ("request_timeout_ms", c_uint32),
        ("get_timeout_ms", c_uint32),
        ("refresh_ahead_s", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32),
    )


class bankhub_access_token(Structure):
    _fields_ = (
        ("generation", c_uint64),
        ("expires_at", c_int64),
        ("reserved", c_uint64 * 4),
        ("length", c_size_t),
        ("value", c_char * BANKHUB_TOKEN_CAPACITY),
    )


class bankhub_error(Structure):
    _fields_ = (
        ("status", c_int32),
        ("http_status", c_int32),
        ("retry_after_ms", c_uint64),
        ("reserved", c_uint64 * 4),
        ("message", c_char * BANKHUB_MESSAGE_CAPACITY),
    )


class bankhub_stats(Structure):
    _fields_ = (
        ("size", c_size_t),
        ("generation", c_uint64),
        ("expires_at", c_int64),
        ("refresh_at", c_int64),
        ("next_attempt_at", c_int64),
        ("last_success_at", c_int64),
        ("last_failure_at", c_int64),
        ("requests", c_uint64),
        ("successes", c_uint64),
        ("failures", c_uint64),
        ("consecutive_failures", c_uint64),
        ("rejections", c_uint64),
        ("ignored_rejections", c_uint64),
        ("waiters", c_uint64),
        ("fetching", c_uint32),
        ("reserved", c_uint32),
        ("last_error", bankhub_error),
    )
