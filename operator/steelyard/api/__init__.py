"""What a user may write, and what the operator says of it. Imports the contract, pydantic and yaml only.

Everything else derives from these models: errors, the plan, the CRDs and the reference.
"""
