"""The object store port: a folder locally, a bucket in production."""
