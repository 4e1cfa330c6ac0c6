"""The operator: watches TrainingJobs and their Jobs, decides, carries out. Imports planning, kube and the api only."""
