"""Programs of the user's own (`spec.model.container`): told where all lies, started by a supervisor, and asked what
they left."""
