"""What the images are made of: the packages that their programs import, at the versions that the tests ran with."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository_support import ROOT

IMAGES = ROOT / "images"
LOCKS = ["operator/requirements.lock", "trainer/requirements-cpu.lock", "trainer/requirements-gpu.lock"]
OPERATOR = ROOT / "operator" / "steelyard"
PROGRAMS = {
    "operator": [
        OPERATOR / part
        for part in ("__init__.py", "contract", "texts", "api", "search", "planning", "kube", "controller")
    ],
    "trainer": [
        OPERATOR / "__init__.py",
        OPERATOR / "contract",
        OPERATOR / "texts",
        OPERATOR / "api",
        OPERATOR / "search",
        OPERATOR / "serving",
        IMAGES / "trainer" / "steelyard_trainer",
    ],
}
PACKAGE_OF = {"yaml": "pyyaml", "sklearn": "scikit-learn", "tensorflow": "tensorflow-cpu", "google": "protobuf"}
"""Where a package is not called as its module is."""


def pins(path: Path) -> dict[str, set[str]]:
    """The versions of each package of a lock; more than one where they depend on the Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def imported(sources: list[Path]) -> set[str]:
    """The packages that the modules under these paths import, the standard library and our own aside."""
    modules: set[str] = set()
    files = [file for source in sources for file in ([source] if source.is_file() else sorted(source.rglob("*.py")))]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(str(node.module))
    roots = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    ours = {"steelyard", "steelyard_trainer"}
    return {PACKAGE_OF.get(root, root.replace("_", "-")) for root in roots - ours}


@pytest.mark.parametrize("lock", LOCKS)
def test_an_image_has_the_versions_that_the_tests_ran_with(lock: str) -> None:
    tested, own = pins(ROOT / "requirements-dev.lock"), pins(IMAGES / lock)
    assert len(own) > 20
    assert {name: versions for name, versions in own.items() if name in tested and versions != tested[name]} == {}
    beyond = {name for name in own if name not in tested}
    assert {name for name in beyond if not name.startswith("nvidia-")} == set(), "run make lock"
    assert bool(beyond) == ("gpu" in lock)


@pytest.mark.parametrize("lock", LOCKS)
def test_an_images_lock_names_hashes_and_no_package_index(lock: str) -> None:
    text = (IMAGES / lock).read_text()
    assert "://" not in text and "--index-url" not in text and "--find-links" not in text
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text.strip()))


@pytest.mark.parametrize(("image", "lock"), [("operator", LOCKS[0]), ("trainer", LOCKS[1])])
def test_an_image_has_what_its_program_imports(image: str, lock: str) -> None:
    needed = imported(PROGRAMS[image])
    assert {"pydantic"} < needed
    assert needed - set(pins(IMAGES / lock)) == set()


def test_the_trainers_image_has_the_packages_of_ours_that_its_program_imports() -> None:
    dockerfile, build = ((IMAGES / name).read_text() for name in ("trainer/Dockerfile", "build"))
    copied = set(re.findall(r"^COPY operator/steelyard/(\w+) ", dockerfile, re.MULTILINE))
    program = [IMAGES / "trainer" / "steelyard_trainer", *(ROOT / "operator" / "steelyard" / name for name in copied)]
    needed: set[str] = set()
    for file in (file for folder in program for file in folder.rglob("*.py")):
        needed |= set(re.findall(r"^\s*from steelyard\.(\w+)", file.read_text(), re.MULTILINE))
    assert needed == copied
    # The archive's name is a digest of these.
    assert f"{{__init__.py,py.typed,{','.join(sorted(copied))}}}" in build


def test_the_operators_image_trains_nothing_and_the_trainers_has_no_cluster_client_and_no_sampler() -> None:
    # scikit-learn is there for the samplers of searches.
    assert not {"tensorflow-cpu", "tensorflow", "keras", "pandas", "pyarrow"} & set(pins(IMAGES / LOCKS[0]))
    assert not {"kubernetes", "kopf", "aiohttp", "optuna"} & set(pins(IMAGES / LOCKS[1]))


@pytest.mark.parametrize("image", ["operator", "trainer"])
def test_a_dockerfile_ends_as_a_numeric_user_on_the_given_base(image: str) -> None:
    lines = (IMAGES / image / "Dockerfile").read_text().splitlines()
    stages = [line.split() for line in lines if line.startswith("FROM ")]
    names = {stage[-1] for stage in stages if "AS" in stage}
    assert len(stages) > 1
    assert {stage[1] for stage in stages} <= {"${BASE}"} | names, "nothing but the base comes from a registry"
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 65532:65532"] and lines.index(users[0]) > max(map(lines.index, map(" ".join, stages)))
    copied = [
        source
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.replace("${VARIANT}", "cpu").split()[1:-1]
    ]
    assert [source for source in copied if not (ROOT / source).exists()] == []


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["worker"], {}, "'worker' is no image; allowed: operator, trainer"),
        (["operator"], {"VARIANT": "tpu"}, "VARIANT is 'tpu'; allowed: cpu, gpu"),
        (["operator"], {"BUILDER": "make"}, "BUILDER is 'make'; allowed: docker, podman, buildah"),
    ],
)
def test_a_mistake_is_told_before_anything_is_built(
    arguments: list[str], variables: dict[str, str], words: str
) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    done = subprocess.run(
        [IMAGES / "build", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, f"images/build: {words}\n")
