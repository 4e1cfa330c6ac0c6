"""The program in the workers: prepare, train, finish, pack. Imports steelyard.api and steelyard.serving, no other part.

It never talks to Kubernetes: its contract (steelyard.contract.stages) is files, environment variables, exit codes and
lines of JSON.
"""
