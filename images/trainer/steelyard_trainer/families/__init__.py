"""The families of models, a folder each: what trains a model, makes it small and works off its trials."""
