"""The operator's side of TuningJobs: observes a search and its children, decides, carries out.

Imports tuning, planning, kube, the api and the controller.
"""
