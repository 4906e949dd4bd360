"""The networks of DreamerV3: what encodes, remembers, imagines and judges; and the arithmetic that they share."""
