"""headrace in Python: the plan of a run's batches, the rows out of mapped shards, and the control client.

Importing it loads numpy and nothing else; torch is loaded by headrace.train and headrace.torch_llama alone.
"""

from .errors import HeadraceError
from .plan import Plan, Rows, add_served, rank_positions
from .reader import Manifest, ShardReader, read_manifest
from .schedule import Schedule, parse_schedule, read_schedule

__version__ = "0.1.0"

__all__ = [
    "HeadraceError",
    "Manifest",
    "Plan",
    "Rows",
    "Schedule",
    "ShardReader",
    "add_served",
    "parse_schedule",
    "rank_positions",
    "read_manifest",
    "read_schedule",
]
