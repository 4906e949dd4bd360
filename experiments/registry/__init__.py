"""MLflow's model registry: the best policies of every env by name, and the words that bring them back."""
