"""The version of nnlite: the one place that holds it, read by the build as well."""

__version__ = "0.1.0"
