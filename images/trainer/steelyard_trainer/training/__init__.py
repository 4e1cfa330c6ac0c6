"""The train stage: a supervisor per worker and, as its child, the process that trains.

The supervisor's side (supervisor, gang) never imports TensorFlow, whose start-up can hang beyond any signal.
"""
