# Sourced by up, test and down: what they have in common. Each says what it needs before it begins.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cluster=${KIND_CLUSTER:-steelyard}

fail() {
    echo "$1" >&2
    exit 1
}

on_cluster() {
    kubectl --context "kind-$cluster" "$@"
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" > /dev/null || fail "$program is needed, but it is not on the PATH; docs/quickstart.md says where it comes from"
    done
}

# Names docker or podman, whichever works, to kind and to images/build.
find_engine() {
    if docker info > /dev/null 2>&1; then
        export BUILDER=docker
    elif podman info > /dev/null 2>&1; then
        export BUILDER=podman KIND_EXPERIMENTAL_PROVIDER=podman
    else
        fail "docker or podman is needed, and neither answers to 'info'; is its service running?"
    fi
}
