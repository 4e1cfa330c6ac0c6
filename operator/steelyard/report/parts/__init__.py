"""The sections of a model's report: each a function from what there is to tell to a section, or to None where it has
nothing to say. `steelyard.report.model` has them in their order.
"""
