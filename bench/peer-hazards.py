"""Another project's tools over folders of hazards: python peer-hazards.py datatrove|dolma FOLDER OUT SECONDS.

Each folder in FOLDER is read by itself, in a process of its own that is forked after the imports, and stopped after SECONDS. Prints a JSON object a
folder: the texts that came out, the exit status of the process (null: it was stopped) and what it said, standard output and error together.
datatrove: JsonlReader, ParquetReader or IpcReader by the end of the folder's name, then JsonlWriter. dolma: `dolma tag`, and where that ends well `dolma mix`.
"""

import gzip
import json
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path


def datatrove():
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import IpcReader, JsonlReader, ParquetReader
    from datatrove.pipeline.writers import JsonlWriter

    def run(folder, out):
        kind = folder.name.split("-")[-1]
        if kind == "parquet":
            reader = ParquetReader(str(folder), glob_pattern="**/*.parquet")
        elif kind == "arrow":
            reader = IpcReader(str(folder), glob_pattern="**/*.arrow")
        else:
            reader = JsonlReader(str(folder))
        steps = [reader, JsonlWriter(str(out / "texts"), compression=None)]
        LocalPipelineExecutor(steps, tasks=1, logging_dir=str(out / "logs")).run()

    return run


def dolma():
    from dolma.cli.__main__ import main as command

    def run(folder, out):
        documents = f"{folder}/c4/documents/*"
        tag = ["tag", "--documents", documents, "--experiment", "t", "--taggers", "char_length_v1"]
        command([*tag, "--processes", "1", "--debug", "--ignore_existing"])
        length = "@.t__char_length_v1__length"
        stream = {
            "name": "all",
            "documents": [documents],
            "output": {"path": str(out / "texts"), "max_size_in_bytes": 2**30},
            "attributes": ["t"],
            "filter": {"include": [], "exclude": [f"$.attributes[?({length} && {length}[0][2] < 0)]"]},
        }
        (out / "mix.json").write_text(json.dumps({"streams": [stream], "processes": 1}))
        command(["-c", str(out / "mix.json"), "mix"])

    return run


def attempt(run, folder, out, seconds):
    """Runs in a child. Returns its exit status; None where it had to be stopped."""
    out.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        os.setsid()
        said = os.open(out / "said.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        status = 1
        try:
            run(folder, out)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def texts_in(folder):
    """Texts of every file that was finished; of a file that is cut, those before the cut. Long ones are shortened to 100 characters."""
    texts = []
    for path in sorted(folder.rglob("*")) if folder.exists() else []:
        if path.suffix not in (".gz", ".jsonl"):
            continue
        with gzip.open(path, "rt", newline="\n") if path.suffix == ".gz" else open(path, newline="\n") as lines:
            try:
                texts += [str(json.loads(line)["text"])[:100] for line in lines if line.strip()]
            except (EOFError, UnicodeDecodeError, json.JSONDecodeError):
                pass
    return texts


def main():
    tool, folders, out, seconds = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    run = {"datatrove": datatrove, "dolma": dolma}[tool]()
    print(json.dumps({"tool": tool, "version": version(tool)}), flush=True)
    for folder in sorted(folders.iterdir()):
        status = attempt(run, folder, out / folder.name, seconds)
        said = (out / folder.name / "said.txt").read_text(errors="replace")
        texts = texts_in(out / folder.name / "texts")
        print(json.dumps({"folder": folder.name, "status": status, "texts": texts, "said": said}), flush=True)


main()
