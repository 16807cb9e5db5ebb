"""Installs every package alone in an empty folder, and uses it there without access to the tree."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.languages import BUILD, ROOT
from support.mock_server import MockServer

MACHINE = platform.machine()
WHEEL_TOOLS = BUILD / "wheel-tools" / "bin" / "python"
LICENSES = {"LICENSE-APACHE", "LICENSE-MIT"}
OTHERS_LICENSES = "THIRD-PARTY-LICENSES.txt"
SYMBOLS = set((ROOT / "tests" / "symbols.txt").read_text().split())
LIBRARY_BYTES_MAX = 3 * 1024 * 1024

PYTHON_PROGRAM = """
import bankhub
with bankhub.TokenCache.from_env() as tokens:
    print(bankhub.__file__, len(tokens.get()))
"""
C_PROGRAM = """
#include <bankhub.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  bankhub_config config = {.size = sizeof config, .client_id = getenv("BANKHUB_CLIENT_ID"),
                           .client_secret = getenv("BANKHUB_CLIENT_SECRET"), .base_url = getenv("BANKHUB_BASE_URL")};
  bankhub_access_token token;
  bankhub_token *cache;
  if (bankhub_token_new(&config, &cache, NULL) || bankhub_token_get(cache, 5000, &token, NULL)) return 1;
  printf("%zu", token.length);
  return 0;
}
"""
GO_PROGRAM = """
package main

import (
	"context"
	"fmt"
	"log"

	"bankhub.invalid/bankhub"
)

func main() {
	cache, err := bankhub.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	token, err := cache.Get(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(len(token))
}
"""
GO_MODULE = (
    "module program\n\ngo 1.24\n\nrequire bankhub.invalid/bankhub v0.0.0\n\nreplace bankhub.invalid/bankhub => ./go\n"
)
CSHARP_PROGRAM = """
static class Program {
  static void Main() {
    System.Console.Write(BankHub.TokenCache.FromEnvironment().Get().Length);
    System.Console.Write(" " + typeof(BankHub.TokenCache).Assembly.GetName().Version);
  }
}
"""
OTHER_LIBRARY = """
#[unsafe(no_mangle)]
extern "C" fn other_library() -> usize {
    std::panic::catch_unwind(|| panic!("expected")).unwrap_err();
    std::process::Command::new("echo").output().unwrap().stdout.len()
}
"""
OTHER_CALL = "return other_library() != 1"
TOKEN_LENGTH = "40"


class Workspace:
    """An empty folder, and an environment that names nothing of the tree."""

    def __init__(self, folder: Path, mock_server: MockServer) -> None:
        self.folder = folder
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "LC_ALL": "C.UTF-8",
            **mock_server.environment,
        }

    def run(self, *command: object, **more: str) -> str:
        """Runs the command in the folder, and returns its standard output."""
        return subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        ).stdout

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    mock_server = MockServer()
    yield Workspace(tmp_path, mock_server)
    mock_server.kill()


@pytest.fixture
def installed(workspace: Workspace) -> Path:
    """The prefix of `make install`, where pkg-config finds the library."""
    prefix = workspace.folder / "prefix"
    subprocess.run([ROOT / "scripts" / "install", prefix], check=True)
    workspace.environment["PKG_CONFIG_PATH"] = str(prefix / "lib" / "pkgconfig")
    return prefix


@pytest.fixture(params=["shared", "static", "static-pie"])
def linked(request: pytest.FixtureRequest, installed: Path) -> str:
    """How the program is linked. The linker prefers a shared library, so static removes it."""
    if request.param == "static":
        for shared in (installed / "lib").glob("*.so*"):
            shared.unlink()
    return str(request.param)


def wheel(machine: str) -> Path:
    [found] = (BUILD / "wheels").glob(f"bankhub-*-py3-none-manylinux2014_{machine}.manylinux_2_17_{machine}.whl")
    return found


def test_wheel(workspace: Workspace) -> None:
    workspace.run(sys.executable, "-m", "venv", "venv")
    python = workspace.folder / "venv" / "bin" / "python"
    workspace.run(python, "-m", "pip", "install", "--quiet", "--no-index", wheel(MACHINE))
    file, length = workspace.run(python, "-c", PYTHON_PROGRAM).split()
    assert Path(file).is_relative_to(workspace.folder)
    assert length == TOKEN_LENGTH


def test_source_distribution(workspace: Workspace, installed: Path) -> None:
    [sdist] = (BUILD / "wheels").glob("bankhub-*.tar.gz")
    options = ["--quiet", "--no-index", "--no-build-isolation", "--target", "packages"]
    workspace.run(WHEEL_TOOLS, "-m", "pip", "install", *options, sdist)
    library = {"PYTHONPATH": "packages", "BANKHUB_LIBRARY": str(installed / "lib" / "libbankhub.so.0")}
    file, length = workspace.run(sys.executable, "-c", PYTHON_PROGRAM, **library).split()
    assert Path(file).resolve().is_relative_to(workspace.folder.resolve())
    assert length == TOKEN_LENGTH


def test_wheel_has_a_small_library_with_our_symbols(workspace: Workspace) -> None:
    with zipfile.ZipFile(wheel(MACHINE)) as parts:
        library = Path(parts.extract("bankhub/libbankhub.so.0", workspace.folder))
    symbols = {line.split()[0] for line in workspace.run("nm", "-D", "--defined-only", "-P", library).splitlines()}
    assert symbols == SYMBOLS
    assert library.stat().st_size <= LIBRARY_BYTES_MAX


def test_python_packages_have_the_licenses() -> None:
    with zipfile.ZipFile(wheel(MACHINE)) as parts:
        names = {Path(name).name for name in parts.namelist() if ".dist-info/licenses/" in name}
        others = parts.read(f"bankhub/{OTHERS_LICENSES}").decode()
    assert names == LICENSES
    assert "\nring " in others
    assert "\ncbindgen " not in others, "cbindgen only builds the library"
    [sdist] = (BUILD / "wheels").glob("bankhub-*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert {Path(file.name).name for file in archive if file.isfile()} >= LICENSES


def test_make_install(workspace: Workspace) -> None:
    """Into DESTDIR, with a PREFIX that has a space, and with a umask that keeps files private."""
    root, prefix = workspace.folder / "root", Path("/opt/bank hub")
    make = ["make", "--no-print-directory", "-C", str(ROOT), "install", f"DESTDIR={root}", f"PREFIX={prefix}"]
    subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", *make], env=workspace.environment, check=True)
    files = {str(file.relative_to(root / prefix.relative_to("/"))) for file in root.rglob("*") if not file.is_dir()}
    headers = {"include/bankhub.h", "include/bankhub.hpp"}
    libraries = {"lib/libbankhub.a", "lib/libbankhub.so", "lib/libbankhub.so.0", "lib/pkgconfig/bankhub.pc"}
    assert files == headers | libraries | {"share/bankhub/bankhub.supp"}
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in root.rglob("*"))
    path = str(root / prefix.relative_to("/") / "lib" / "pkgconfig")
    flags = shlex.split(workspace.run("pkg-config", "--libs", "bankhub", PKG_CONFIG_PATH=path))
    assert flags == [f"-L{prefix}/lib", "-lbankhub"], "no rpath, with which a static-pie program crashes before main"


def test_make_install_says_how_programs_find_the_library(workspace: Workspace) -> None:
    prefix = workspace.folder / "prefix"
    said = workspace.run(ROOT / "scripts" / "install", prefix)
    assert said.rstrip().endswith(f"link shared programs with -Wl,-rpath,{prefix}/lib too")
    assert not workspace.run(ROOT / "scripts" / "install", "/usr", DESTDIR=str(workspace.folder / "root"))


def test_static_library_exports_our_symbols_only(installed: Path, workspace: Workspace) -> None:
    lines = workspace.run(
        "nm", "--extern-only", "--defined-only", "-P", installed / "lib" / "libbankhub.a"
    ).splitlines()
    assert {line.split()[0] for line in lines if " " in line} == SYMBOLS


@pytest.mark.parametrize("order", [["-lbankhub", "-lother"], ["-lother", "-lbankhub"]], ids=" ".join)
def test_c_program_with_another_rust_static_library(workspace: Workspace, installed: Path, order: list[str]) -> None:
    (installed / "lib" / "libbankhub.so").unlink()
    rust = ["--edition", "2024", "--crate-type", "staticlib", "--crate-name", "other", "-O"]
    workspace.run("rustc", *rust, workspace.write("other.rs", OTHER_LIBRARY))
    program = workspace.write("program.c", "int other_library(void);\n" + C_PROGRAM.replace("return 0", OTHER_CALL))
    folders = [f"-I{installed}/include", f"-L{installed}/lib", "-L."]
    workspace.run("cc", program, "-o", "program", *folders, *order, "-lpthread", "-lm", "-ldl")
    assert workspace.run("./program") == TOKEN_LENGTH


def test_c_program_without_shared_libraries(workspace: Workspace, installed: Path) -> None:
    flags = workspace.run("pkg-config", "--static", "--cflags", "--libs", "bankhub").split()
    workspace.run("cc", "-static", workspace.write("program.c", C_PROGRAM), "-o", "program", *flags)
    assert workspace.run("./program") == TOKEN_LENGTH


def flags(workspace: Workspace, linked: str, *kinds: str) -> list[str]:
    """What the documentation tells users to link with."""
    static = [] if linked == "shared" else ["--static"]
    more = [f"-Wl,-rpath,{workspace.folder}/prefix/lib"] if linked == "shared" else []
    return [*workspace.run("pkg-config", *static, *kinds, "bankhub").split(), *more]


def test_c_program(workspace: Workspace, linked: str) -> None:
    options = ["-static-pie"] if linked == "static-pie" else []
    more = flags(workspace, linked, "--cflags", "--libs")
    workspace.run("cc", *options, workspace.write("program.c", C_PROGRAM), "-o", "program", *more)
    check_program(workspace, linked)


def test_go_program(workspace: Workspace, linked: str) -> None:
    go_module(workspace)
    options = []
    if linked == "static-pie":
        options = ["-buildmode=pie", "-ldflags", "-linkmode external -extldflags -static-pie"]
    else:
        workspace.environment["CGO_LDFLAGS"] = " ".join(flags(workspace, linked, "--libs"))
    workspace.run("go", "build", *options, "-o", "program", ".")
    check_program(workspace, linked)


def go_module(workspace: Workspace) -> None:
    shutil.copytree(ROOT / "bindings" / "go", workspace.folder / "go")
    workspace.write("go.mod", GO_MODULE)
    workspace.write("main.go", GO_PROGRAM)


@pytest.mark.parametrize("without", [{"CGO_ENABLED": "0"}, {"PATH": ""}, {"GOARCH": "riscv64"}], ids=str)
def test_go_says_that_it_needs_cgo(workspace: Workspace, without: dict[str, str]) -> None:
    """Go switches cgo off by itself where it finds no C compiler, and for another machine."""
    go_module(workspace)
    build = subprocess.run(
        [shutil.which("go") or "go", "build", "bankhub.invalid/bankhub"],
        cwd=workspace.folder,
        env={**workspace.environment, **without},
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    package, *lines = build.stderr.splitlines()
    assert package == "# bankhub.invalid/bankhub"
    assert len(lines) == 1 and "bankhub needs cgo: set CGO_ENABLED=1, and CC to a C compiler" in lines[0]


def check_program(workspace: Workspace, linked: str) -> None:
    assert workspace.run("./program") == TOKEN_LENGTH
    assert ("libbankhub" in workspace.run("ldd", "program")) == (linked == "shared")


def test_csharp_package(workspace: Workspace) -> None:
    packer = ROOT / "bindings" / "csharp" / "pack.py"
    package = workspace.run(sys.executable, packer, workspace.folder).strip()
    with zipfile.ZipFile(package) as parts:
        parts.extractall(workspace.folder)
        assert set(parts.namelist()) >= {*LICENSES, OTHERS_LICENSES}
        assert {part.external_attr >> 16 for part in parts.infolist()} == {0o644}
    [assembly] = (workspace.folder / "lib").glob("*/BankHub.dll")
    shutil.copy(assembly, workspace.folder)
    workspace.run("mcs", "-r:BankHub.dll", workspace.write("program.cs", CSHARP_PROGRAM))
    assert (
        workspace.run("mono", "program.exe")
        == f"{TOKEN_LENGTH} {package.split('BankHub.')[1].removesuffix('.nupkg')}.0"
    )
