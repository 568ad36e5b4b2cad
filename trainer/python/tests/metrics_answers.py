"""What Python makes of a metrics line, and what TensorBoard's own reader makes of event files, as JSON: `live RUN BATCHES...`, `text RUN` (lines on standard input), `events FOLDER`."""

import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from headrace import Plan, live_numbers, read_schedule
from headrace.losses import newest_losses
from headrace.metrics import prometheus_text, scalars_of


def live(run, *batches):
    """The numbers of a run after some batches."""
    plan = Plan(read_schedule(run))
    return [live_numbers(plan, int(batch), newest_losses(run)) for batch in batches]


def text(run):
    """Each line of standard input as Prometheus' text and as TensorBoard's scalars."""
    return [[prometheus_text(run, line), scalars_of(line)] for line in map(json.loads, sys.stdin)]


def events(folder):
    """Every scalar event of a folder as (step, tag, value), read by TensorBoard, which checks the checksums."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    seen = []
    for path in sorted(glob.glob(os.path.join(folder, "events.out.tfevents.*"))):
        for event in EventFileLoader(path).Load():
            for value in event.summary.value:
                seen.append([event.step, value.tag, value.tensor.float_val[0]])
    return seen


if __name__ == "__main__":
    print(json.dumps({"live": live, "text": text, "events": events}[sys.argv[1]](*sys.argv[2:])))
