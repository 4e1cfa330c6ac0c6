"""What is said of models and searches, for people: sections of data, and their renderings as Markdown,
HTML, JSON and lines of a terminal.

Imports the api, the contract, the search and texts; pure: documents in, text out.
"""
