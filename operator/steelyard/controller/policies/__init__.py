"""One file per policy: what a field of the manifest makes of a job, a pure function of what is observed and of the
time. Which there are, and in what order they are asked, say a table for each kind (training/policies.py,
tuning/policies.py) and one for jobs that are over (runtime/finished.py). Imports the api, planning and the controller's
observation and events only."""
