"""What is generated from the models: the CRDs with their rules in CEL, and the reference. Imports the api only."""
