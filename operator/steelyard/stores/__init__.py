"""Where the places of a manifest lie, as a process here sees them: what a URI names, what stands for its content, and
how a model gets there and back.

Beside search, schema and cells: imports the api and the contract; the runners and the trainer import it.
"""
