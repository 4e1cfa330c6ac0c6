"""Kubernetes for the tests, built from Go modules and run from Debian packages: README.md says how to use it.

Two kinds: a control plane with simulated nodes, and real nodes with containers. Imports the standard library, psutil
and PyYAML; nothing of Steelyard, which it must be able to judge.
"""
