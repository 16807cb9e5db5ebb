"""The edges of the C ABI. Only C can reach them; each marker says why the other languages cannot."""

from __future__ import annotations

from typing import Optional

import pytest

from support.driver_process import Cache, Driver, Reply, Status, Word
from support.languages import version
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer
from support.waiting import wait_until

from .conftest import NewCache

CREDENTIALS: dict[str, Word] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
SIZE_MAX = 4096

no_pointers = pytest.mark.only("c", because="a wrapper passes the addresses of its own variables, never NULL")
no_handles = pytest.mark.only("c", because="a wrapper uses only a handle that it got, and knows when it was freed")
no_sizes = pytest.mark.only("c", because="a wrapper always passes the size that it was written with")
no_flags = pytest.mark.only(
    "c", because="a wrapper has a boolean where the ABI has a bit, and nothing for reserved fields"
)
no_bytes = pytest.mark.only("c", because="a wrapper's text is Unicode, or is passed unchanged to this check")
no_structs = pytest.mark.only("c", because="a wrapper returns values, not the memory that the library wrote")


def assert_invalid(reply: Reply, *words: str) -> None:
    error = reply.expect(Status.INVALID_ARGUMENT)
    assert reply.number("error.status") == Status.INVALID_ARGUMENT
    assert [word for word in words if word not in error.message] == [], error.message


@no_pointers
def test_new_without_config(driver: Driver) -> None:
    reply = driver.refused(config="null")
    assert_invalid(reply, "config")
    assert reply.number("handle") == 0


@no_pointers
def test_new_without_out(driver: Driver) -> None:
    assert_invalid(driver.refused(**CREDENTIALS, out="null"), "out")


@no_pointers
def test_new_that_fails_sets_a_null_handle(driver: Driver) -> None:
    assert driver.refused(client_id="a:b", client_secret=CLIENT_SECRET).number("handle") == 0


@no_pointers
def test_get_without_out(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    assert_invalid(driver.ask("token", cache.name, "default", out="null"), "out")
    assert mock_server.token_requests() == 0


@no_pointers
def test_stats_without_out(cache: Cache, driver: Driver) -> None:
    assert driver.ask("stats", cache.name, out="null").status == Status.INVALID_ARGUMENT


@no_pointers
def test_accepts_a_null_error(cache: Cache, driver: Driver) -> None:
    driver.ask("token", cache.name, "default", error="null").ok()
    driver.ask("invalidate", cache.name, "f00df00df00df00df00df00d", error="null").ok()
    driver.ask("new", "accepted", **CREDENTIALS, error="null").ok()
    driver.ask("new", "refused", client_id="a:b", error="null").expect(Status.INVALID_ARGUMENT)
    cache.close()
    driver.ask("token", cache.name, "default", error="null").expect(Status.CLOSED)
    driver.ask("invalidate", cache.name, "f00df00df00df00df00df00d", error="null").expect(Status.CLOSED)
    driver.ask("close", "accepted").ok()


@no_handles
def test_rejects_a_null_handle(driver: Driver) -> None:
    assert_invalid(driver.ask("token", "@0", "default"), "NULL")
    assert_invalid(driver.ask("token", "@0", 0), "NULL")
    assert_invalid(driver.ask("invalidate", "@0", "f00df00df00df00df00df00d"), "NULL")
    assert driver.ask("stats", "@0").status == Status.INVALID_ARGUMENT
    assert driver.ask("generation", "@0").generation == 0
    driver.ask("close", "@0").ok()


def assert_closed(driver: Driver, handle: int) -> None:
    name = f"@{handle}"
    driver.ask("token", name, "default").expect(Status.CLOSED)
    driver.ask("invalidate", name, "f00df00df00df00df00df00d").expect(Status.CLOSED)
    driver.ask("stats", name).expect(Status.CLOSED)
    assert driver.ask("generation", name).generation == 0
    driver.ask("close", name).ok()


@no_handles
@pytest.mark.parametrize(
    "handle", [1, 8, 0xA5, 2**31, 2**32 - 1, 2**32, 2**47 - 8, 2**63, 2**64 - 1, 0xDEADBEEF00000000]
)
def test_rejects_a_number_that_is_no_handle(driver: Driver, handle: int) -> None:
    assert_closed(driver, handle)


@no_handles
def test_rejects_a_handle_with_one_bit_changed(driver: Driver, mock_server: MockServer) -> None:
    reply = driver.ask("new", "original", **CREDENTIALS, base_url=mock_server.url).ok()
    handle = reply.number("handle")
    token = driver.ask("token", f"@{handle}", "default").ok().value

    for near in {handle ^ (1 << bit) for bit in range(64)} - {0}:
        assert_closed(driver, near)

    assert driver.ask("token", "original", 0).ok().value == token
    driver.ask("close", "original").ok()
    assert_closed(driver, handle)


@no_sizes
@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 44, 76, -1])
def test_rejects_a_config_size_of_no_release(driver: Driver, size: int) -> None:
    size = size if size >= 0 else size_of(driver, "bankhub_config") - 1
    assert_invalid(driver.refused(**CREDENTIALS, size=size), "size")


@no_sizes
@pytest.mark.parametrize("size", [SIZE_MAX + 1, 8192, 2**32, 2**64 - 1])
def test_rejects_a_config_size_above_4096(driver: Driver, size: int) -> None:
    assert_invalid(driver.refused(**CREDENTIALS, size=size), "size")


@no_sizes
@pytest.mark.parametrize("extra", [1, 4, 8, 64, None])
def test_accepts_a_larger_config_with_unused_fields(driver: Driver, extra: Optional[int]) -> None:
    size = SIZE_MAX if extra is None else size_of(driver, "bankhub_config") + extra

    driver.new(**CREDENTIALS, size=size)
    assert_invalid(driver.refused(**CREDENTIALS, size=size, tail=1), "size")


@no_sizes
def test_does_not_read_bytes_after_the_config(driver: Driver) -> None:
    driver.new(**CREDENTIALS, tail=1)


@no_sizes
@pytest.mark.parametrize("size", [0, 7, 8, 44, 116, -1, SIZE_MAX + 1, 2**64 - 1])
def test_rejects_a_stats_size_of_no_release(cache: Cache, driver: Driver, size: int) -> None:
    size = size if size >= 0 else size_of(driver, "bankhub_stats") - 1
    reply = driver.ask("stats", cache.name, size=size)
    assert reply.status == Status.INVALID_ARGUMENT
    assert reply.number("written") == 8, "only the size, which the caller set"


@no_sizes
@pytest.mark.parametrize("extra", [0, 1, 8, 64, None])
def test_stats_fills_the_given_size(cache: Cache, driver: Driver, extra: Optional[int]) -> None:
    size = SIZE_MAX if extra is None else size_of(driver, "bankhub_stats") + extra
    assert driver.ask("stats", cache.name, size=size).ok().number("written") == size


@no_flags
@pytest.mark.parametrize("flags", [2, 3, 1 << 31, 2**32 - 1])
def test_rejects_unknown_flags(driver: Driver, flags: int) -> None:
    assert_invalid(driver.refused(**CREDENTIALS, flags=flags), "flags")


@no_flags
@pytest.mark.parametrize("reserved", [1, 2**32 - 1])
def test_rejects_a_nonzero_reserved_field(driver: Driver, reserved: int) -> None:
    assert_invalid(driver.refused(**CREDENTIALS, reserved=reserved), "reserved")


@no_bytes
@pytest.mark.parametrize("field", ["client_id", "client_secret", "base_url", "ca_file", "proxy", "store"])
@pytest.mark.parametrize("text", [b"\xff", b"secret\xc3", b"\xed\xa0\x80", b"\xc0\xaf"], ids=lambda text: text.hex())
def test_rejects_text_that_is_not_utf8(driver: Driver, field: str, text: bytes) -> None:
    assert_invalid(driver.refused(**{**CREDENTIALS, field: text}), field)


@no_bytes
@pytest.mark.parametrize("rejected", [b"\xff", b"\xc3", b"\x01"], ids=lambda text: text.hex())
def test_invalidate_accepts_any_bytes(cache: Cache, driver: Driver, rejected: bytes) -> None:
    token = cache.get().ok().value
    driver.ask("invalidate", cache.name, rejected).ok()
    assert cache.get().ok().value == token
    assert cache.stats().ok().number("ignored_rejections") == 1


@no_structs
def test_ok_also_writes_the_error(cache: Cache, driver: Driver, new_cache: NewCache) -> None:
    made = driver.ask("new", "made", **CREDENTIALS).ok()
    for reply in (made, cache.token(), cache.invalidate(None)):
        assert reply.ok().number("error.status") == Status.OK
        assert (reply.http_status, reply.retry_after_ms, reply.message) == (0, 0, "")
        assert reply.number("error.reserved_nonzero") == 0
    driver.ask("close", "made").ok()


@no_structs
def test_error_has_the_returned_status(cache: Cache, mock_server: MockServer) -> None:
    mock_server.credentials(enabled=False)
    error = cache.token().expect(Status.UNAUTHENTICATED)
    assert error.number("error.status") == Status.UNAUTHENTICATED
    assert error.number("error.reserved_nonzero") == 0


@no_structs
def test_token_fills_its_struct(cache: Cache) -> None:
    token = cache.token().ok()
    assert token.number("length") == len(token.value) > 0
    assert token.number("reserved_nonzero") == 0


@no_structs
def test_failure_writes_no_token(cache: Cache, mock_server: MockServer) -> None:
    mock_server.credentials(enabled=False)
    mock_server.settings(latency_ms=200)
    timed_out, refused = cache.token(timeout=0), cache.token()
    cache.close()
    for reply, status in (
        (timed_out, Status.DEADLINE),
        (refused, Status.UNAUTHENTICATED),
        (cache.token(), Status.CLOSED),
    ):
        reply.expect(status)
        assert (reply.value, reply.number("length")) == ("", 0)


@no_structs
def test_wipe_zeroes_the_struct(cache: Cache) -> None:
    assert cache.token().ok().number("wiped_nonzero") == 0


@pytest.mark.only("c", because="the other languages have threads of their own")
def test_has_one_thread_only_while_fetching(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=500)
    wait_until(lambda: driver.threads() == 1, within_s=15, what="the end of fetches of earlier scenarios")
    cache.get(timeout=0).expect(Status.DEADLINE)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    assert driver.threads() == 2
    cache.get().ok()
    wait_until(lambda: driver.threads() == 1, within_s=5, what="the end of the fetch thread")


@no_structs
def test_library_reports_its_version(driver: Driver) -> None:
    reply = driver.ask("about", 0).ok()
    layout = driver.layout()
    assert reply.fields["version"] == version()
    assert reply.number("abi_version") == int(layout["const.BANKHUB_ABI_MAJOR"]) << 16 | int(
        layout["const.BANKHUB_ABI_MINOR"]
    )


@no_structs
@pytest.mark.parametrize("status", [*Status, -1, 9, 2**31 - 1, -(2**31)])
def test_names_every_status(driver: Driver, status: int) -> None:
    known = {int(status): f"BANKHUB_{status.name}" for status in Status}
    name = driver.ask("about", int(status)).ok().fields["status_name"]
    assert name == known.get(int(status), "BANKHUB_UNKNOWN")


def size_of(driver: Driver, struct: str) -> int:
    return int(driver.layout()[f"sizeof.{struct}"])
