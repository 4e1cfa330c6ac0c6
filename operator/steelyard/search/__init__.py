"""Searches as data: their space, their log, and whether they can be run. Pure. Imports the contract and the api only.

How the next trial's values are found is in `tuning`.
"""
