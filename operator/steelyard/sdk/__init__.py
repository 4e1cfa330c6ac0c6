"""The Python API that `import steelyard` offers: models in memory, runs and searches from a notebook or a program.

Imports whatever the command does, and the command's displays: a run looks the same in both.
"""
