"""The rules in CEL, by the part of the manifest that they are of; `table` has them all."""
