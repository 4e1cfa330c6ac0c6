"""A user's own code: how it is found and called. Imports steelyard, the contract and the prepared data."""
