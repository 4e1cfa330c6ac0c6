"""From raw rows to predictions with a published model: numpy and LiteRT only, never TensorFlow. Imports the api."""
