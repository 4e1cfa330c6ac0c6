"""From raw rows to predictions with a published model: numpy and LiteRT, for scikit-learn's models that, skops and ONNX
Runtime (in `estimators` alone); never TensorFlow. Imports the api."""
