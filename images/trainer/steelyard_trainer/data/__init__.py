"""The prepared dataset: the stage prepare makes it (prepare.py), training and evaluation read it (reading.py)."""
