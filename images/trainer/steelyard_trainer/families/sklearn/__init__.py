"""The models of scikit-learn: built, fitted, cross-validated, weighed, saved. Imports scikit-learn, steelyard.api,
steelyard.serving and the prepared data; never TensorFlow."""
