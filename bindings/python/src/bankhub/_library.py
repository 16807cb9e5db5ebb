"""Finds libbankhub, loads it when this module is imported, and declares its functions."""

from __future__ import annotations

import os
import platform
from ctypes import CDLL, POINTER, PyDLL, Structure, byref, c_char_p, c_int32, c_uint32, c_uint64, c_void_p, cast
from pathlib import Path
from typing import Any

from ._abi import (
    BANKHUB_ABI_MAJOR,
    BANKHUB_ABI_MINOR,
    bankhub_access_token,
    bankhub_config,
    bankhub_error,
    bankhub_stats,
)

SONAME = f"libbankhub.so.{BANKHUB_ABI_MAJOR}"


def _load() -> CDLL:
    """The first library that can be opened, if it fits this package."""
    problems = []
    for file, where in _places():
        try:
            library = CDLL(file)
        except OSError as error:
            problems.append(f"{file} ({where}): {error}")
            continue
        _check(library, file, where)
        return library
    here = f"{platform.system()} on {platform.machine()} with {' '.join(platform.libc_ver()).strip() or 'another libc'}"
    problems.append("install libbankhub, or set BANKHUB_LIBRARY to its file")
    raise ImportError(f"libbankhub could not be loaded ({here}): {'; '.join(problems)}", name="bankhub")


def _places() -> list[tuple[str, str]]:
    named = os.environ.get("BANKHUB_LIBRARY")
    if named:
        return [(named, "named by BANKHUB_LIBRARY")]
    own = str(Path(__file__).with_name(SONAME))
    return [(own, "in the folder of the package"), (SONAME, "found by the system's loader")]


def _check(library: CDLL, file: str, where: str) -> None:
    try:
        abi_version = library.bankhub_abi_version
    except AttributeError:
        raise ImportError(f"{file} ({where}) is not libbankhub; use another file", name="bankhub", path=file) from None
    abi_version.restype = c_uint32
    major, minor = divmod(abi_version(), 1 << 16)
    if major == BANKHUB_ABI_MAJOR and minor >= BANKHUB_ABI_MINOR:
        return
    file = _file_of(abi_version)
    raise ImportError(
        f"libbankhub does not fit: {file} ({where}) has ABI {major}.{minor}, this package needs "
        f"{BANKHUB_ABI_MAJOR}.{BANKHUB_ABI_MINOR} or a later {BANKHUB_ABI_MAJOR}.x; install a libbankhub that fits",
        name="bankhub",
        path=file,
    )


class _DlInfo(Structure):
    _fields_ = (("file", c_char_p), ("base", c_void_p), ("symbol", c_char_p), ("address", c_void_p))


def _file_of(function: Any) -> str:
    """The file from which the system's loader loaded the function."""
    info = _DlInfo()
    CDLL(None).dladdr(cast(function, c_void_p), byref(info))
    return os.fsdecode(info.file)


# CDLL releases the GIL during a call, for the functions that may wait. PyDLL keeps it, which is faster.
_cdll = _load()
_pydll = PyDLL(_cdll._name, handle=_cdll._handle)


def _function(library: CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


_token = c_void_p
_status = c_int32
_access_token = POINTER(bankhub_access_token)
_error = POINTER(bankhub_error)

bankhub_token_new = _function(_cdll, "bankhub_token_new", _status, POINTER(bankhub_config), POINTER(_token), _error)
bankhub_token_get = _function(_cdll, "bankhub_token_get", _status, _token, c_uint32, _access_token, _error)
bankhub_token_generation = _function(_pydll, "bankhub_token_generation", c_uint64, _token)
bankhub_token_invalidate = _function(_pydll, "bankhub_token_invalidate", _status, _token, c_char_p, _error)
bankhub_token_stats = _function(_pydll, "bankhub_token_stats", _status, _token, POINTER(bankhub_stats))
bankhub_token_free = _function(_pydll, "bankhub_token_free", None, _token)
bankhub_access_token_wipe = _function(_pydll, "bankhub_access_token_wipe", None, _access_token)
bankhub_status_name = _function(_pydll, "bankhub_status_name", c_char_p, _status)
