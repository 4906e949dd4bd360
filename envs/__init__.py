"""The worlds: Gymnasium envs of every game, importable without Ray, torch or MLflow."""
