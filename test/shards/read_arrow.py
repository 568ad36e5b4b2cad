"""Reads Arrow files with pyarrow and their token values with numpy alone, and prints what both see as one JSON line a file.

usage: read_arrow.py < JSON list of {"path", "tokenType", "batches": [{"documents", "tokens", "offsetsAt", "tokensAt"}]}
"""

import json
import sys

import numpy as np
import pyarrow as pa


def columns(path):
    with pa.memory_map(path) as source, pa.ipc.open_file(source) as reader:
        table = reader.read_all()
        table.validate(full=True)
        return {
            "batches": reader.num_record_batches,
            "types": {field.name: str(field.type) for field in table.schema},
            "metadata": {key.decode(): value.decode() for key, value in table.schema.metadata.items()},
            "nulls": sum(column.null_count for column in table.columns),
            "columns": {name: table.column(name).to_pylist() for name in table.column_names},
            "dictionaries": {
                name: table.column(name).chunk(0).dictionary.to_pylist()
                for name in table.column_names
                if pa.types.is_dictionary(table.schema.field(name).type) and table.num_rows
            },
        }


def mapped(path, token_type, batches):
    """Documents by the positions of the manifest."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    documents = []
    for batch in batches:
        offsets = np.frombuffer(data, np.int32, batch["documents"] + 1, batch["offsetsAt"])
        tokens = np.frombuffer(data, token_type, batch["tokens"], batch["tokensAt"])
        documents += [tokens[a:b].tolist() for a, b in zip(offsets, offsets[1:])]
    return documents


for file in json.load(sys.stdin):
    seen = columns(file["path"])
    if "batches" in file:
        seen["mapped"] = mapped(file["path"], file["tokenType"], file["batches"])
    print(json.dumps(seen))
