"""Trials beside each other: what MLflow holds of them, statistics that say what they rest on, pictures and a report."""
