"""The controller of TrainingJobs: a job's stages as Jobs, one after the other."""
