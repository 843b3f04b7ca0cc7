"""Classical models: SVMs, logistic and k-NN heads on any embedding, ensembles, and the dummies that all must beat.

    classical.fit(config, folder)   # config.kind: classical or dummy; config.model: {name: svm, kernel: rbf}

``sources.py`` says what of a window a model is shown (``statistics``, embeddings and scores of bundles, any feature),
``fitting.py`` has the table ``MODELS`` and goes from DATA to a bundle; a model is one file here and one line there.
Nothing here imports torch, and what is written needs no scikit-learn: each model ends as an ONNX graph.
"""

from sonoscope.training.classical.fitting import MODELS, fit

__all__ = ["MODELS", "fit"]
