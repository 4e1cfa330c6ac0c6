"""The Python client: TrainingJobs from a notebook or a program. Imports planning, kube and the api only."""
