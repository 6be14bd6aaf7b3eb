"""Captured steps: ``nnlite.compile`` records the NumPy calls of a function and replays them.

A training step makes the same NumPy calls each time. So they are recorded once, on tracer arrays
(nnlite.tracing), through the same operators and derivatives as ever; from then on they are replayed
into memory that stays where it is, and no graph is built. What the function can read is watched
(reach, guards), and a replay is used only after it has given the same bytes as the ordinary run
(trial); in every other case the function runs as it is.
"""
