"""What is said of models and searches, for people: sections of data, and their renderings as Markdown and HTML.

Imports the api, the contract, the search and texts; pure: documents in, text out.
"""
