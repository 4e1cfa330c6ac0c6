"""What the controllers of both kinds share. It knows a job by its key and its body, and no kind by name."""
