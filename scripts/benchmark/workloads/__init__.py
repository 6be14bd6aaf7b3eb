"""The table of workloads: what is measured, by whom it can be run, and the targets.

A workload's `program` names what the frameworks run. Where a framework's file has that program
already (another size of network, say), a new entry in one of the files here is all that a new
workload needs; otherwise each framework that takes part gets one function of that name.
"""

from benchmark.workloads.growth import GROWTH
from benchmark.workloads.kinds import SUBJECT, Case, Target, Workload
from benchmark.workloads.layered import LAYERED
from benchmark.workloads.machinery import MACHINERY
from benchmark.workloads.networks import NETWORKS
from benchmark.workloads.starts import STARTS
from benchmark.workloads.trainers import TRAINERS

__all__ = ["SUBJECT", "WORKLOADS", "Case", "Target", "Workload"]

WORKLOADS = (*LAYERED, *NETWORKS, *GROWTH, *TRAINERS, *MACHINERY, *STARTS)
