"""Networks, built and trained with Keras and TensorFlow."""
