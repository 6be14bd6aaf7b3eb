"""What `bench.py` runs: who is measured, on what, and how.

- `workloads/`: the table of workloads and their targets. A new workload is an entry there.
- `frameworks/`: what each framework runs for a workload. A new framework is a file and an entry.
- `cold_start/`: the programs that are timed as whole processes.
- `worker.py`: one framework's process. `conductor.py`: starts them and gives them turns.
- `figures.py`: medians, ratios, growth, targets, agreement. `report.py`, `markdown.py`, `plot.py`:
  text and JSON, the README's table, the picture. `saved.py`: figures read back from the JSON.

The conductor imports the standard library alone: a process inherits its parent's peak memory
in the kernel's books, so a large conductor would hide how small its children are.
"""
