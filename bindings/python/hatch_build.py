"""Puts the library that scripts/wheels names into a wheel. A wheel that is built from the sdist has no library."""

from __future__ import annotations

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Library(BuildHookInterface[Any]):
    """Adds the file BANKHUB_WHEEL_LIBRARY, which runs on the platforms BANKHUB_WHEEL_PLATFORM.

    The file BANKHUB_WHEEL_LICENSES has the licences of its third-party code.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        library = os.environ.get("BANKHUB_WHEEL_LIBRARY")
        if library:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{os.environ['BANKHUB_WHEEL_PLATFORM']}"
            build_data["force_include"][library] = "bankhub/libbankhub.so.0"
            build_data["force_include"][os.environ["BANKHUB_WHEEL_LICENSES"]] = "bankhub/THIRD-PARTY-LICENSES.txt"
