import importlib.util
import os
import re
import subprocess
import sys

import pytest
from making import make_schedule, make_shards, write_run
from test_pack import make_packed

torch = pytest.importorskip("torch", reason="the example trains with torch")

from headrace.torch_data import IGNORED, StepDataset  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLE = os.path.join(ROOT, "examples", "document_attention.py")


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("document_attention", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(folder):
    """Shards of documents of 3 to 40 tokens that can be learnt, and a run of rows of 32 tokens over them."""
    documents = [[1] + [2 + (start + 3 * i) % 50 for i in range(3 + start * 7 % 38)] for start in range(60)]
    manifest = make_shards(str(folder / "shards"), {"train": {"a": [[documents]]}})
    tokens = sum(map(len, documents))
    document = make_schedule({"a": tokens}, [1], batches=40, rowTokens=32, shards=manifest["fingerprint"])
    return write_run(str(folder / "run"), document), str(folder / "shards")


def steps_of(run, shards, **options):
    return StepDataset(run, shards, position_ids=True, within_documents=True, cu_seqlens=True, **options)


def by_document(example, model, step):
    """The loss of each document by itself."""
    total = 0.0
    ids, edges = step["input_ids"].flatten(), step["cu_seqlens"].tolist()
    labels = step["labels"].flatten()
    for first, until in zip(edges, edges[1:]):
        part = ids[first:until][None]
        alone = {
            "input_ids": part,
            "labels": labels[first:until][None],
            "position_ids": torch.arange(until - first)[None],
            "cu_seqlens": torch.tensor([0, until - first]),
        }
        total += float(example.loss_of(model, alone))
    return total


@pytest.mark.parametrize("packed", [False, True])
def test_a_row_of_documents_has_the_loss_of_its_documents_one_by_one(tmp_path, example, packed):
    run, shards = make_packed(tmp_path)[:2] if packed else make(tmp_path)
    torch.manual_seed(1)
    model = example.Model(512).eval()
    compared = 0
    with torch.no_grad():
        for step in steps_of(run, shards):
            assert step["cu_seqlens"].dtype == torch.int32
            assert step["max_seqlen"] == int(step["cu_seqlens"].diff().max())
            counted = int((step["labels"] != IGNORED).sum())
            assert float(example.loss_of(model, step)) == pytest.approx(by_document(example, model, step), rel=1e-5)
            compared += counted
    assert compared > (30 if packed else 5000)


def test_the_example_learns(tmp_path):
    run, shards = make(tmp_path)
    command = [sys.executable, EXAMPLE, run, shards, "--micro-batch", "4", "--batches", "30"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", done.stdout)]
    assert len(losses) == 30 and losses[-1] < losses[0] / 2
