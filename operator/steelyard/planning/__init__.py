"""The plan: spec in, stages out; and the verdict: ends of processes in, done, again or failed out. Imports the contract
and the api only."""

from steelyard.planning.plan import Plan, Stage, changed_inputs, plan, stages_of, worker_environment

__all__ = ["Plan", "Stage", "changed_inputs", "plan", "stages_of", "worker_environment"]
