"""The layers, a family a file; ``nnlite.nn`` has them all."""
