"""headrace in Python: the plan of a run's batches, the rows out of mapped shards, and the control client.

Importing it loads numpy and nothing else; torch is loaded by headrace.train and headrace.torch_llama alone.
"""

from . import loop
from .batch import Batch
from .client import Client, connect
from .errors import HeadraceError
from .live import live_numbers
from .losses import DomainLosses, LossSum, make_report
from .manifest import Manifest, read_manifest
from .mask import LossMask
from .metrics import Metrics
from .plan import Plan, Rows, add_served, rank_positions
from .reader import ShardReader
from .reweighting import next_report, reweight
from .sampler import Sampler
from .schedule import Schedule, parse_schedule, read_schedule

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Client",
    "DomainLosses",
    "HeadraceError",
    "LossMask",
    "LossSum",
    "Manifest",
    "Metrics",
    "Plan",
    "Rows",
    "Sampler",
    "Schedule",
    "ShardReader",
    "add_served",
    "connect",
    "live_numbers",
    "loop",
    "make_report",
    "next_report",
    "parse_schedule",
    "rank_positions",
    "read_manifest",
    "read_schedule",
    "reweight",
]
