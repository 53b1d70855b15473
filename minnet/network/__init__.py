"""The lesson: a layered network by hand, in NumPy and nothing else of minnet.

`examples/from_scratch.py` has all of it on one page, for one network. Here it is for many at once,
in one sitting and this order:

1. `layers.py`: `Dense` and `ReLU`, each forward and backward;
2. `network.py`: layers in a row over one packed matrix of parameters;
3. `losses.py`: softmax, argmax, cross-entropy and squared residuals, with their gradients;
4. `optimizers.py`: from gradients to a step;
5. `minnet/training/loop.py`: forward, gradients, backward and a step, put together.

`preparation.py` holds the layers in front of these, `Standardize` and `Bins`, which prepare the
features and learn nothing by gradients.
"""
