"""Structs and constants: every language declares them as the C compiler sees them, and completely."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from support.driver_process import Driver, Status
from support.languages import HEADER

from .conftest import Drivers

STRUCTS = ("bankhub_config", "bankhub_access_token", "bankhub_error", "bankhub_stats")
URLS = {
    "BANKHUB_SANDBOX_URL": "https://bankhub-api-sandbox.sepay.vn",
    "BANKHUB_PRODUCTION_URL": "https://bankhub-api.sepay.vn",
}


@pytest.fixture
def c_layout(drivers: Drivers) -> Mapping[str, str]:
    drivers.require("c")
    return drivers.running("c").layout()


def parts(layout: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name: value for name, value in layout.items() if name.startswith(prefix)}


@pytest.mark.parametrize("struct", STRUCTS)
def test_struct_matches_c(driver: Driver, c_layout: Mapping[str, str], struct: str) -> None:
    layout = driver.layout()

    assert layout.get(f"sizeof.{struct}") == c_layout[f"sizeof.{struct}"]
    assert parts(layout, f"offsetof.{struct}.") == parts(c_layout, f"offsetof.{struct}.")


def test_constants_match_c(driver: Driver, c_layout: Mapping[str, str]) -> None:
    constants, expected = parts(driver.layout(), "const."), parts(c_layout, "const.")

    assert constants == {name: expected.get(name, "not in C") for name in constants}
    # OK is no error, so a language whose errors are values or exceptions has no constant for it.
    needed = {f"const.BANKHUB_{status.name}" for status in Status if status} | {f"const.{name}" for name in URLS}
    assert needed <= constants.keys()


@pytest.mark.only("c", because="the others are compared with C")
def test_header_has_the_designed_constants(driver: Driver) -> None:
    constants = parts(driver.layout(), "const.")
    expected = {f"const.BANKHUB_{status.name}": str(int(status)) for status in Status}
    expected.update({f"const.{name}": url for name, url in URLS.items()})
    expected.update({"const.BANKHUB_TOKEN_CAPACITY": "4096", "const.BANKHUB_MESSAGE_CAPACITY": "512"})
    expected.update({"const.BANKHUB_TIMEOUT_DEFAULT": str(2**32 - 1), "const.BANKHUB_ALLOW_HTTP": "1"})

    assert {name: constants[name] for name in expected} == expected


@pytest.mark.only("c", because="the others are compared with C")
def test_c_driver_covers_the_header(driver: Driver) -> None:
    header = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    names = {f"const.{name}" for name in re.findall(r"^#define (BANKHUB_\w+) \S", header, re.MULTILINE)}
    for struct, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", header, re.DOTALL):
        names.add(f"sizeof.{struct}")
        names.update(f"offsetof.{struct}.{field}" for field in re.findall(r"(\w+)(?:\[\w+\])?;", body))

    assert {name for name in names if name.startswith("sizeof.")} == {f"sizeof.{struct}" for struct in STRUCTS}
    assert driver.layout().keys() == names
