"""Builds Kubernetes and what a cluster needs beside it from Go modules, once for each version.

A module's main packages can't be installed by `go install MODULE@VERSION` where its go.mod has replacements, as
Kubernetes' has: so each is built from a module of our own that does nothing but require it. Imports the cache only.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster import cache


@dataclass(frozen=True)
class Project:
    """One Go module and the commands that are built from it."""

    name: str
    module: str
    version: str
    packages: dict[str, str]
    """Command -> package."""
    version_variable: str = ""
    """The variable that the version is linked into; a project without one reads it from its own module."""

    @property
    def folder(self) -> Path:
        """Where the commands lie."""
        return cache.cache_folder() / "bin" / f"{self.name}-{self.version}"


PROJECTS = (
    Project(
        "kubernetes",
        "k8s.io/kubernetes",
        cache.KUBERNETES,
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        },
    ),
    Project("etcd", "go.etcd.io/etcd/server/v3", cache.ETCD, {"etcd": "go.etcd.io/etcd/server/v3"}),
    Project("coredns", "github.com/coredns/coredns", cache.COREDNS, {"coredns": "github.com/coredns/coredns"}),
    Project("kwok", "sigs.k8s.io/kwok", cache.KWOK, {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Project(
        "helm",
        "helm.sh/helm/v3",
        cache.HELM,
        {"helm": "helm.sh/helm/v3/cmd/helm"},
        "helm.sh/helm/v3/internal/version.version",
    ),
)


def binary(name: str) -> Path:
    """A command of the cluster: from $KUBEBUILDER_ASSETS, where that has it, else the built one, else from $PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    found = _ready(name) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} was not built yet: run `make cluster-build`")
    return Path(found)


def build() -> None:
    """Builds whatever is missing: 13 minutes on two cores with empty caches, nothing where all is there.

    Raises:
        FileNotFoundError: there is no `go`.
        subprocess.CalledProcessError: a build failed; what it said is on standard error.
    """
    with cache.locked("build"):
        for project in PROJECTS:
            if missing := [name for name in project.packages if _ready(name) is None]:
                _build(project, missing)


def _ready(name: str) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folders = [Path(assets)] if assets else []
    folders += [project.folder for project in PROJECTS if name in project.packages]
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def go(*arguments: str, folder: Path) -> str:
    """Runs the Go command; gives its standard output."""
    command = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if command is None:
        raise FileNotFoundError(
            "go was not found on PATH or in /usr/local/go/bin: Go 1.26 is needed to build the cluster"
        )
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=mod", "GOTOOLCHAIN": "local"}
    return subprocess.run(
        [command, *arguments], cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _build(project: Project, names: list[str]) -> None:
    wrapper = cache.cache_folder() / "modules" / f"{project.name}-{project.version}"
    wrapper.mkdir(parents=True, exist_ok=True)
    if not (wrapper / "go.sum").exists():
        (wrapper / "go.mod").write_text(_wrapper(project, wrapper))
    project.folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(f"building {name} {project.version}", flush=True)
        made = project.folder / f".{name}"
        flags = f"-s -w {_version_flags(project)}"
        go("build", "-trimpath", "-ldflags", flags, "-o", str(made), project.packages[name], folder=wrapper)
        made.rename(project.folder / name)


def _wrapper(project: Project, folder: Path) -> str:
    """A go.mod that requires the project, at the versions that the project itself is built with."""
    text = f"module steelyard.test/{project.name}\n\ngo 1.26\n\nrequire {project.module} v{project.version}\n"
    if project.name != "kubernetes":
        return text
    downloaded = json.loads(go("mod", "download", "-json", f"{project.module}@v{project.version}", folder=folder))
    theirs = Path(downloaded["GoMod"]).read_text()
    settings = re.findall(r"^(?:go|godebug) .*$", theirs, re.MULTILINE)
    parts = re.findall(r"^\s*(k8s\.io/[a-z-]+) => \./staging/", theirs, re.MULTILINE)
    version = f"v0.{project.version.removeprefix('1.')}"
    return "\n".join(
        [
            f"module steelyard.test/{project.name}",
            *settings,
            f"require {project.module} v{project.version}",
            *(f"replace {part} => {part} {version}" for part in parts),
            "",
        ]
    )


def _version_flags(project: Project) -> str:
    if project.version_variable:
        return f"-X {project.version_variable}=v{project.version}"
    if project.name != "kubernetes":
        return ""
    major, minor, _ = project.version.split(".")
    values = {
        "gitVersion": f"v{project.version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "tests",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())
