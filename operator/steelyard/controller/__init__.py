"""The operator: watches TrainingJobs, TuningJobs and their children, decides, carries out. Imports planning, kube, the
search, tuning and the api.

`operator` puts it together. `runtime` is what both kinds share, `training` and `tuning` are the kinds, and `policies`
has a file for each field of a job that says when something is to be done.
"""
