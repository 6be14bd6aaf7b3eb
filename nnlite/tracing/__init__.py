"""Traces: the NumPy calls that a piece of code makes, noted down as it runs on `Traced` arrays.

Two readers use them: nnlite.export (a forward pass as a file) and nnlite.capture (a whole training
step as a program that is run again).
"""
