"""Searches: which values the next trial has, when a trial is hopeless, and when a search is over.

One ask/tell interface over all algorithms. Imports the api and planning; Optuna, SciPy and scikit-learn on first use.
"""
