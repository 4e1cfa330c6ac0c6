"""The algorithms of a search, one module each.

A sampler is a pure function of a trial's number and of what is known when it is created: whoever asks again, in
another process, gets the same. They import NumPy, SciPy, scikit-learn and Optuna, so each is imported on first use.
"""
