"""Files: weights, checkpoints, and writing that never leaves half a file."""
