"""Formats of tables: what a file's name and its first bytes say. Apart from where the bytes lie (`steelyard.stores`)
and from how the rows are read (the trainer's `data`, `cli/sample.py`, `serving`).

init, validate, predict and the stage prepare all ask here, so that they can't disagree. Imports the standard library;
every other folder may import it.
"""
