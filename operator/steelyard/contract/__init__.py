"""The contract between what a user wrote, the runners and the trainer program: exit codes, results, files, events.

A user's own container honors it too. Imports pydantic at most; every other package may import it.
"""
