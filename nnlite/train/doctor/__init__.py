"""The training doctor: cheap checks that name a mistake before it wastes a night.

>>> from nnlite.train import Doctor
>>> Doctor(silence=[]).silence
frozenset()
"""

from nnlite.train.doctor.check import DoctorWarning
from nnlite.train.doctor.doctor import Doctor

__all__ = ["Doctor", "DoctorWarning"]
