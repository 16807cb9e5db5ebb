"""Prints the licences of what others wrote and the library holds, for the packages that have the library inside.

Most of them ask that their text goes along with the compiled code, too. `licenses.py TARGET`, of Rust's targets.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("COPYING", "COPYRIGHT", "LICENCE", "LICENSE", "NOTICE", "UNLICENSE")
BUILD = ["--package", "bankhub", "--features", "wiping-allocator", "--edges", "normal,no-proc-macro"]
RUST = """Rust's standard library, MIT OR Apache-2.0: Copyright (c) The Rust Project Contributors.
In wheels also LLVM's libunwind, Apache-2.0 WITH LLVM-exception."""


def main(target: str) -> None:
    owners: dict[str, list[str]] = {}
    for package in packages(target):
        texts = licenses(Path(package["manifest_path"]).parent)
        if not texts:
            sys.exit(f"licenses: {package['name']} {package['version']} has no file of a licence")
        for text in texts:
            owners.setdefault(text, []).append(f"{package['name']} {package['version']}, {package['license']}")
    print("libbankhub holds code of others, under these licences.\n")
    print(RUST)
    for text, names in owners.items():
        print(f"\n{'=' * 80}\n" + "\n".join(names) + f"\n{'=' * 80}\n\n{text}")


def packages(target: str) -> list[dict[str, str]]:
    """The library's dependencies, without what only builds it."""
    tree = cargo("tree", *BUILD, "--target", target, "--prefix", "none", "--format", "{p}")
    linked = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    known = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", target))["packages"]
    found = [package for package in known if (package["name"], "v" + package["version"]) in linked]
    return [package for package in found if package["source"]]


def licenses(folder: Path) -> list[str]:
    files = sorted(file for file in folder.iterdir() if file.name.upper().startswith(NAMES) and file.is_file())
    return [file.read_text(encoding="utf-8").strip() for file in files]


def cargo(*arguments: str) -> str:
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(sys.argv[1])
