"""The plan: spec in, stages out. Imports the api only."""

from steelyard.planning.plan import Plan, Stage, changed_inputs, plan, stages_of, worker_environment

__all__ = ["Plan", "Stage", "changed_inputs", "plan", "stages_of", "worker_environment"]
