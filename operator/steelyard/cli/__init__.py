"""The `steelyard` command: one module per command. Imports local, serving, planning and api, and typer and rich."""
