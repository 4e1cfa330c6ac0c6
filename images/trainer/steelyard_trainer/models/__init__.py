"""Networks from `spec.model`. Imports Keras and steelyard.api."""
