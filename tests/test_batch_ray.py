"""Batch scoring on a real Ray cluster of two nodes: the bytes of the local engine, also when a worker dies."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strijdtaal.batch import score_files
from strijdtaal.batch.finish import KIND
from strijdtaal.folder import verify_folder
from tests.batch_cases import ROOT, contents, records, run_command, start_command, write_rows

pytestmark = pytest.mark.slow

# Ray warns on its own, so it gets a process without -W error. The head has no processor: the nodes are the workers.
JOB = """
import json, os, signal, sys, threading, time
from pathlib import Path
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
from ray.cluster_utils import Cluster
from strijdtaal.batch import score_files
from strijdtaal.errors import StrijdtaalError

bundle, path, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
node = {"object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}
cluster = Cluster(initialize_head=True, head_node_args=node | {"num_cpus": 0, "include_dashboard": False})
for _ in range(2):
    cluster.add_node(num_cpus=1, **node)
killed = []

def busy():
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{name}/cmdline").read_text()
            parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1]
            if command.startswith("ray::MapWorker") and ".submit" in command and session in Path(
                f"/proc/{parent}/cmdline"
            ).read_text():
                found[int(name)] = command
        except OSError:
            pass
    return found

def kill_one(out):
    while len(list(out.glob("part-*"))) < 3 or len(workers := busy()) < 2:
        time.sleep(0.005)
    killed.append(min(workers))
    os.kill(killed[0], signal.SIGKILL)

session = cluster.head_node.get_session_dir_path()
threading.Thread(target=kill_one, args=(folder / "out",), daemon=True).start()
options = {"shard_rows": 400, "engine": "ray", "ray_address": cluster.address, "workers": 2}
summary = score_files(bundle, [path], folder / "out", **options)
again = score_files(bundle, [path], folder / "out", **options)
with open(path, "a") as file:
    file.write("{")
try:
    score_files(bundle, [path], folder / "no", **options)
except StrijdtaalError as error:
    said = str(error)
print(json.dumps({"killed": killed, "read": summary.read, "resumed": again.resumed, "said": said}))
cluster.shutdown()
"""


def test_one_of_two_ray_workers_dies_and_every_row_is_there_once(bundle, tmp_path):
    rows = records(16_000)
    path = write_rows(tmp_path / "a.jsonl", rows)
    score_files(bundle, [path], tmp_path / "local", shard_rows=400, workers=2)
    command = [sys.executable, "-c", JOB, str(bundle), str(path), str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr[-3_000:]
    told = json.loads(result.stdout.strip().splitlines()[-1])
    assert len(told["killed"]) == 1
    assert (told["read"], told["resumed"]) == (16_000, 40)
    assert "a.jsonl, line 16001: not valid JSON" in told["said"]
    assert contents(tmp_path / "out") == contents(tmp_path / "local")
    assert verify_folder(tmp_path / "out", KIND)["rows"] == 16_000


def descendants(pid):
    """Process ids of a process and of all below it."""
    found, waiting = set(), [pid]
    while waiting:
        one = waiting.pop()
        found.add(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting += [int(child) for child in task.read_text().split()]
    return found


def listening(pids):
    """Addresses, as the kernel writes them, at which processes listen."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            inodes |= {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                addresses.add(fields[1].split(":")[0])
    return addresses


def test_the_command_starts_a_cluster_of_its_own_that_listens_on_loopback_only(bundle, tmp_path):
    path = write_rows(tmp_path / "a.csv", records(60))
    score_files(bundle, [path], tmp_path / "local", shard_rows=10, workers=1)
    arguments = (bundle, path, tmp_path / "out", "--shard-rows", "10", "--engine", "ray", "--workers", "2")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    seen = set()
    with start_command(*arguments, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            seen |= listening(descendants(process.pid))
            time.sleep(0.2)
        text = process.communicate(timeout=10)[0]
    assert process.returncode == 0
    assert seen
    assert all(
        address in ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
        for address in seen
    ), seen
    assert text.startswith(f"{tmp_path / 'out'}: 60 sentences in 6 shards")
    assert contents(tmp_path / "out") == contents(tmp_path / "local")


def test_ray_address_without_the_engine_is_refused(bundle, tmp_path):
    path = write_rows(tmp_path / "a.csv", records(6))
    code, _, errors = run_command(bundle, path, tmp_path / "out", "--ray-address", "auto")
    assert (code, "Add --engine ray" in errors) == (2, True)
