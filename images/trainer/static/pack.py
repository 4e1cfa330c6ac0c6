"""Makes the supervisor for programs of a user's own one static file, which runs in any image: pack.py OUTPUT

It is launch.c, compiled, with the interpreter that runs this appended to it, the parts of the standard library and the
shared libraries that the gang's code needs, and that code. Needs a C compiler ($CC, else cc) with its static C library,
`ldd`, and the standard library only.
"""

import importlib.machinery
import importlib.util
import marshal
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from io import BytesIO
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SOURCES = (ROOT / "operator", ROOT / "images" / "trainer")
MAGIC = b"steelyard-pack-1"

ALWAYS = (
    "runpy",
    "pkgutil",
    "encodings.utf_8",
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.aliases",
    "zipimport",
)
"""What the interpreter imports before the program."""
NEVER = (
    # Loaded by names that the supervisor does not use.
    "steelyard.api",
    "steelyard.sdk",
    # Large, and the modules that would use them do without.
    "_hashlib",
    "_ssl",
    "bz2",
    "lzma",
    "pydoc",
    "doctest",
    "unittest",
    "email",
    "http",
    "urllib.request",
    "urllib.error",
    "urllib.response",
    "xml",
    "asyncio",
    "multiprocessing",
    "concurrent",
    "logging",
    "tarfile",
    "zipfile",
    "argparse",
    "gettext",
    "pdb",
    "decimal",
    "_decimal",
    "_pydecimal",
    "fractions",
    "statistics",
    "datetime",
    "calendar",
    "plistlib",
    "pickle",
    "csv",
    "pprint",
    "importlib.metadata",
    "tracemalloc",
    "_uuid",
)


def main(output: Path) -> None:
    """Writes the file, complete or not at all."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    program, extensions = _modules()
    python = Path(os.path.realpath(sys.executable))
    libraries = _libraries([python, *extensions])
    loader = next(library for name, library in libraries.items() if name.startswith("ld-"))
    files = {
        "bin/ld.so": loader.read_bytes(),
        "bin/python": _stripped(python),
        # Where the interpreter looks for its standard library; it warns where there is no lib-dynload.
        f"lib/python{version.replace('.', '')}.zip": program,
        "program.zip": _zip({"__main__.pyc": _compiled(HERE / "start.py", "start.py")}),
        f"lib/python{version}/lib-dynload/none": b"",
        **{f"lib/{name}": _stripped(path) for name, path in libraries.items() if path != loader},
        **{f"lib/python{version}/lib-dynload/{path.name}": _stripped(path) for path in extensions},
    }
    partial = output.with_name(f"{output.name}.partial")
    _compile_launcher(partial)
    with partial.open("ab") as file:
        offset = file.tell()
        for name, content in files.items():
            mode = 0o755 if name.startswith("bin/") else 0o644
            file.write(struct.pack("<IIQ", len(name.encode()), mode, len(content)) + name.encode() + content)
        file.write(struct.pack("<QQ", offset, len(files)) + MAGIC)
    partial.chmod(0o755)
    partial.rename(output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


def _modules() -> tuple[bytes, list[Path]]:
    """All modules in Python that the program needs, as a zip file, and those in C."""
    standard = [sysconfig.get_path("stdlib"), str(Path(sysconfig.get_path("stdlib")) / "lib-dynload")]
    finder = ModuleFinder([*map(str, SOURCES), *standard], excludes=list(NEVER))
    finder.run_script(str(HERE / "start.py"))
    for name in ALWAYS:
        finder.import_hook(name)
    entries: dict[str, bytes] = {}
    extensions: list[Path] = []
    found: dict[str, Any] = dict(finder.modules)
    for name, module in found.items():
        if name == "__main__" or module.__file__ is None:
            continue
        path = Path(module.__file__)
        if path.name.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
            extensions.append(path)
            continue
        place = name.replace(".", "/") + ("/__init__" if module.__path__ else "")
        entries[f"{place}.pyc"] = _compiled(path, f"{place}.py")
    return _zip(entries), extensions


def _compiled(path: Path, name: str) -> bytes:
    """A module as a .pyc that is not compared with its source."""
    code = compile(path.read_bytes(), name, "exec", dont_inherit=True, optimize=2)
    return importlib.util.MAGIC_NUMBER + struct.pack("<I", 1) + bytes(8) + marshal.dumps(code)


def _zip(entries: dict[str, bytes]) -> bytes:
    """A zip file, without compression: zlib may be a module that lies in it. The same bytes of the same entries."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name), entries[name])
    return file.getvalue()


def _libraries(programs: list[Path]) -> dict[str, Path]:
    """The shared libraries that programs need, by the name under which they are looked for."""
    found: dict[str, Path] = {}
    for program in programs:
        told = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        for name, path in re.findall(r"^\s*(?:(\S+) => )?(/\S+) \(0x", told, re.MULTILINE):
            found[name or Path(path).name] = Path(path)
    return found


def _stripped(path: Path) -> bytes:
    """A program or library without what only debuggers read."""
    if (strip := shutil.which("strip")) is None:
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "stripped"
        subprocess.run([strip, "--strip-unneeded", "-o", to, path], check=True)
        return to.read_bytes()


def _compile_launcher(output: Path) -> None:
    compiler = os.environ.get("CC", "cc")
    flags = ["-std=gnu11", "-Os", "-static", "-s", "-Wall", "-Wextra"]
    subprocess.run([compiler, *flags, "-o", output, HERE / "launch.c"], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: pack.py OUTPUT")
    main(Path(sys.argv[1]))
