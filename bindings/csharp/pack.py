"""Packs the wrapper and the library into a NuGet package, without NuGet. Usage after `make build`: `pack.py FOLDER`.

With a .NET SDK on the PATH it builds the assembly for netstandard2.1; else it packs Mono's, for the .NET Framework.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY = ROOT / "target" / "release" / "libbankhub.so"
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file, so that the same files make the same package."""

CONTENT_TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
  <Default Extension="nuspec" ContentType="application/octet"/>
  <Default Extension="dll" ContentType="application/octet"/>
  <Default Extension="xml" ContentType="application/octet"/>
  <Default Extension="md" ContentType="application/octet"/>
  <Default Extension="txt" ContentType="application/octet"/>
  <Default Extension="0" ContentType="application/octet"/>
  <Override PartName="/LICENSE-MIT" ContentType="application/octet"/>
  <Override PartName="/LICENSE-APACHE" ContentType="application/octet"/>
</Types>
"""
RELATIONSHIPS = """<?xml version="1.0" encoding="utf-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
  <Relationship Id="nuspec" Target="/BankHub.nuspec"
    Type="http://schemas.microsoft.com/packaging/2010/07/manifest"/>
</Relationships>
"""
NUSPEC = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
  <metadata>
    <id>BankHub</id>
    <version>{Version}</version>
    <authors>bankhub</authors>
    <description>{Description}</description>
    <license type="expression">{PackageLicenseExpression}</license>
    <readme>README.md</readme>
    <dependencies>
      <group targetFramework="{framework}"/>
    </dependencies>
  </metadata>
</package>
"""


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as build:
        framework, assemblies = assembly(Path(build))
        project = {element.tag: element.text for element in xml.parse(HERE / "BankHub.csproj").iter()}
        package = folder / f"BankHub.{project['Version']}.nupkg"
        native = f"runtimes/linux-{MACHINES[platform.machine()]}/native/libbankhub.so.0"
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as parts:
            add(parts, "[Content_Types].xml", CONTENT_TYPES.encode())
            add(parts, "_rels/.rels", RELATIONSHIPS.encode())
            add(parts, "BankHub.nuspec", NUSPEC.format(framework=framework, **project).encode())
            add(parts, "README.md", (HERE / "README.md").read_bytes())
            for name in ("LICENSE-MIT", "LICENSE-APACHE"):
                add(parts, name, (ROOT / name).read_bytes())
            add(parts, "THIRD-PARTY-LICENSES.txt", third_party_licenses())
            for file in assemblies:
                add(parts, f"lib/{framework}/{file.name}", file.read_bytes())
            add(parts, native, LIBRARY.read_bytes())
    print(package)


def assembly(folder: Path) -> tuple[str, list[Path]]:
    """The target framework of the assembly, and its files."""
    if not shutil.which("dotnet"):
        print("pack.py: no .NET SDK was found, so the assembly is for the .NET Framework", file=sys.stderr)
        return "net472", [ROOT / "build" / "BankHub.dll"]
    shutil.copytree(HERE / "src", folder / "src")
    shutil.copy(HERE / "BankHub.csproj", folder)
    (folder / "NuGet.config").write_text("<configuration><packageSources><clear/></packageSources></configuration>")
    command = ["dotnet", "build", "--configuration", "Release", "--output", "out", "--verbosity", "quiet"]
    subprocess.run(command, cwd=folder, stdout=sys.stderr, check=True)
    return "netstandard2.1", [folder / "out" / "BankHub.dll", folder / "out" / "BankHub.xml"]


def third_party_licenses() -> bytes:
    command = [sys.executable, ROOT / "scripts" / "licenses.py", f"{platform.machine()}-unknown-linux-gnu"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def add(parts: zipfile.ZipFile, name: str, content: bytes) -> None:
    part = zipfile.ZipInfo(name, EPOCH)
    part.external_attr = 0o644 << 16  # readable by all users even if root unpacks it
    parts.writestr(part, content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
