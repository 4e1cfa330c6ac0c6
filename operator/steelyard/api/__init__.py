"""What a user may write, and the contract between the runners and the trainer program. Imports pydantic and yaml only.

Everything else derives from these models: errors, the plan, and later the CRDs and the reference.
"""
