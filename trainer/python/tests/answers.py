"""What this implementation says, for the cross-language tests: a list of questions as JSON on standard input, the answers as JSON on standard output."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from headrace.evaluate import evaluation_rows, measurable
from headrace.mask import LossMask
from headrace.mixture import weight_parts
from headrace.plan import Plan
from headrace.policy import parse_policy, update_weights
from headrace.reader import ShardReader
from headrace.reweighting import reweight
from headrace.rules import Measured
from headrace.sampler import Sampler
from headrace.schedule import parse_schedule, read_schedule


def batches(schedule, batches):
    """Rows and served hashes of batches of a schedule."""
    plan = Plan(parse_schedule(schedule))
    answers = []
    for k in batches:
        rows = plan.batch(k)
        answers.append(
            {
                "stage": rows.stage,
                "domains": rows.domains.tolist(),
                "epochs": rows.epochs.tolist(),
                "rows": rows.rows.tolist(),
                "starts": rows.starts.tolist(),
                "served": plan.served_hash(rows),
            }
        )
    return answers


def update(policy, domains, current, losses, batchRows, exhausted, before):
    """Weights in parts, and what the rails did, of one update."""
    history = [Measured(**measured) for measured in before]
    result = update_weights(parse_policy(policy, domains), current, losses, batchRows, exhausted, history)
    return {"parts": weight_parts(list(result.weights.values())), "weights": result.weights, "rails": result.actions}


def act(run, report):
    """Re-weights a run folder; the hash of its schedule."""
    return {"hash": reweight(run, report).schedule.hash}


def read(run):
    """Checks a schedule on disk; how far it is known."""
    schedule = read_schedule(run)
    return {
        "stages": len(schedule.stages),
        "hash": schedule.hash,
        "end": schedule.end.batch,
        "final": schedule.end.final,
    }


def sample(run, shards, batches, rank, world, microBatch, mask):
    """A rank's rows of batches out of the shards."""
    chosen = LossMask(mask.get("withinDocuments"), mask.get("bos", True), mask.get("ranges", {}))
    with Sampler(run, shards, rank, world, microBatch, mask=chosen) as sampler:
        answers = []
        for k in batches:
            batch = sampler.batch(k)
            answers.append(
                {
                    "tokens": batch.tokens.ravel().tolist(),
                    "domains": batch.domains.tolist(),
                    "served": batch.served,
                    "documentStarts": [batch.document_starts(row).tolist() for row in range(len(batch.domains))],
                    "boundaries": [batch.boundaries(row).tolist() for row in range(len(batch.domains))],
                    "masks": batch.loss_masks().astype(int).tolist(),
                    "positions": [batch.position_ids(row).tolist() for row in range(len(batch.domains))],
                }
            )
        return answers


def evaluation(shards, rowTokens, tokensPerDomain):
    """The validation rows of every measurable domain."""
    with ShardReader(shards, "validation") as reader:
        return {
            name: [
                row.tolist() for rows in evaluation_rows(reader, name, rowTokens, tokensPerDomain, 3) for row in rows
            ]
            for name in measurable(reader, reader.domains)
        }


QUESTIONS = {function.__name__: function for function in (batches, update, act, read, sample, evaluation)}

print(json.dumps([QUESTIONS[question.pop("ask")](**question) for question in json.load(sys.stdin)]))
