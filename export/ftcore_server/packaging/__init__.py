"""Packaging targets: a bundle as what Triton, KServe, Docker and MLflow take, each a folder of files."""
