#!/usr/bin/env python3
"""Facts about Milvus 2.3.5 that the agent builds on, each checked against the real server.

    experiments.py --address A --data DIR/data [NAME ...]

Start the server with dataCoord.enableCompaction=false. Prints what was seen; exits 1 if a fact does not hold.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time

from data import (
    FLAT, Client, Refused, common, field, int_key, make_rows, pairs, pb, schema_pb2, vector, T, wait_for,
)  # fmt: skip


class Lab:
    def __init__(self, address, data):
        self.address, self.data, self.c = address, data, Client(address)
        self.tag = f"{int(time.time()) % 1_000_000}"

    def collection(self, name):
        """A new collection with an index; its name and schema."""
        schema = schema_pb2.CollectionSchema(name=f"{name}_{self.tag}", fields=[int_key(), field("salt", T.Int64), vector()])
        self.c.create("default", schema)
        self.c.create_index("default", schema.name, "vec", FLAT)
        return schema.name, schema

    def folders(self, name):
        """The insert and delta log folder of the only partition, as Import wants them."""
        described = self.c.describe("default", name)
        partition = self.c.call("ShowPartitions", pb.ShowPartitionsRequest(collection_name=name)).partitionIDs[0]
        return [f"{self.data}/{kind}/{described.collectionID}/{partition}/" for kind in ("insert_log", "delta_log")]

    def restore(self, name, files, **options):
        """Imports and waits; the last GetImportStateResponse."""
        options = {"backup": "true", **options}
        request = pb.ImportRequest(collection_name=name, partition_name="_default", files=files, options=pairs(options))
        task, last = self.c.call("Import", request).tasks[0], []

        def ended():
            last[:] = [self.c.call("GetImportState", pb.GetImportStateRequest(task=task))]
            return last[0].state in (common.ImportFailed, common.ImportFailedAndCleaned, common.ImportCompleted)

        wait_for(ended, "import", 60)
        return last[0]

    def keys(self, name):
        self.c.load("default", name)
        return {row["id"] for row in self.c.query("default", name, "id >= 0", ["id"])}


def import_counts_rows_after_deletes(lab):
    """row_count of a folder is what survives: stored rows minus deleted ones; one task, no matter how many segments."""
    source, schema = lab.collection("counts")
    for k in range(3):
        lab.c.insert("default", source, schema, make_rows(schema, k * 1000, 1000))
        lab.c.flush("default", source)
    lab.c.delete("default", source, f"id in {json.dumps(list(range(0, 3000, 50)))}")
    lab.c.flush("default", source)
    inserts, deltas = lab.folders(source)
    with_deltas = lab.restore(lab.collection("counts_a")[0], [inserts, deltas])
    without = lab.restore(lab.collection("counts_b")[0], [inserts, ""])
    cut = lab.restore(lab.collection("counts_c")[0], [inserts, ""], end_ts=1)
    print(with_deltas.row_count, without.row_count, cut.row_count, list(with_deltas.segment_ids))
    assert (with_deltas.row_count, without.row_count, cut.row_count) == (2940, 3000, 0)


def missing_folders_are_no_error(lab):
    """A folder that Milvus cannot see completes with 0 rows, a missing delta folder loses the deletes."""
    source, schema = lab.collection("missing")
    lab.c.insert("default", source, schema, make_rows(schema, 0, 100))
    lab.c.delete("default", source, "id in [1, 2, 3]")
    lab.c.flush("default", source)
    nothing = lab.restore(lab.collection("missing_a")[0], ["/nowhere/insert_log/1/2/", ""])
    undeleted = lab.restore(lab.collection("missing_b")[0], [lab.folders(source)[0], "/nowhere/delta_log/1/2/"])
    print(common.ImportState.Name(nothing.state), nothing.row_count, undeleted.row_count)
    assert nothing.state == common.ImportCompleted and nothing.row_count == 0 and undeleted.row_count == 100


def probe_tells_whether_a_folder_is_visible(lab):
    """A log whose segment is not a number fails at once where it is seen, and completes where it is not."""
    probe = f"{lab.data}/probe/insert_log/1/2"
    os.makedirs(f"{probe}/probe/0", exist_ok=True)
    with open(f"{probe}/probe/0/0", "w") as f:
        f.write("x")
    name, _ = lab.collection("probe")
    start = time.monotonic()
    seen = lab.restore(name, [f"{probe}/", ""])
    took = time.monotonic() - start
    unseen = lab.restore(name, ["/nowhere/insert_log/1/2/", ""])
    infos = {kv.key: kv.value for kv in seen.infos}
    print(f"{common.ImportState.Name(seen.state)} after {took:.2f} s: {infos['failed_reason']}; else {common.ImportState.Name(unseen.state)}")
    assert seen.state == common.ImportFailed and unseen.state == common.ImportCompleted
    assert not lab.c.call("GetPersistentSegmentInfo", pb.GetPersistentSegmentInfoRequest(collectionName=name)).infos


def flush_cuts_inside_a_tick(lab):
    """Rows written just before a flush share its TSO tick (50 ms) and lie above end_ts = flush_ts >> 18; a pause of 100 ms is the cure."""
    for pause, expected in ((0, None), (0.1, 1000)):
        source, schema = lab.collection(f"tick_{int(pause * 1000)}")
        lab.c.insert("default", source, schema, make_rows(schema, 0, 1000))
        time.sleep(pause)
        answer = lab.c.flush("default", source)
        end = answer.coll_flush_ts[source] >> 18
        got = lab.restore(lab.collection(f"tick_r{int(pause * 1000)}")[0], [lab.folders(source)[0], ""], end_ts=end).row_count
        print(f"pause {pause} s: {got} of 1000")
        assert expected is None or got == expected


def boundary_under_inserts(lab):
    """Every key acknowledged 100 ms before Flush was sent is restored, and stored >= imported without any delta log."""
    flush_under_load(lab, upsert=False)


def boundary_under_upserts(lab):
    """A constant set of keys is complete at a boundary well before the flush. At flush_ts itself it may not be: a write that got its
    timestamp before the flush and its segment after the seal has its delete in a flushed segment and its row in the next."""
    flush_under_load(lab, upsert=True)


def flush_under_load(lab, upsert, threads=6, constant=600):
    source, schema = lab.collection("up" if upsert else "ins")
    if upsert:
        lab.c.insert("default", source, schema, make_rows(schema, 0, constant))
    acked, lock, numbers, stop = [], threading.Lock(), iter(range(10**9)), threading.Event()

    def write(worker):
        client, turn = Client(lab.address), 0
        while not stop.is_set():
            with lock:
                number = next(numbers)
            turn += 1
            part = constant // threads
            rows = make_rows(schema, worker * part, part, turn) if upsert else make_rows(schema, number * 5, 5)
            client.insert("default", source, schema, rows, upsert=upsert)
            with lock:
                acked.append((time.time(), [row["id"] for row in rows]))

    workers = [threading.Thread(target=write, args=(i,)) for i in range(threads)]
    for w in workers:
        w.start()
    time.sleep(1.5)
    sent = time.time()
    answer = lab.c.call("Flush", pb.FlushRequest(collection_names=[source]))
    time.sleep(0.5)
    stop.set()
    for w in workers:
        w.join()
    flush_ts, segments = answer.coll_flush_ts[source], answer.coll_segIDs[source].data
    state = pb.GetFlushStateRequest(segmentIDs=segments, flush_ts=flush_ts, collection_name=source)
    wait_for(lambda: lab.c.call("GetFlushState", state).flushed, "flush")
    infos = lab.c.call("GetPersistentSegmentInfo", pb.GetPersistentSegmentInfoRequest(collectionName=source)).infos
    wanted = {*segments, *answer.flush_coll_segIDs[source].data}
    stored = sum(i.num_rows for i in infos if i.segmentID in wanted)
    staged = stage(lab, source, wanted)
    lab.c.flush("default", source)
    inserts = lab.folders(source)[0]
    later = stage(lab, source, set(os.listdir(inserts)) - {str(s) for s in wanted}, "later")
    for label, end in (("T", flush_ts >> 18), ("T+1", (flush_ts >> 18) + 1), ("T-1000", (flush_ts >> 18) - 1000)):
        name = f"{'up' if upsert else 'ins'}_{label.replace('+', 'p').replace('-', 'm')}"
        stray = lab.restore(lab.collection(f"{name}_l")[0], [later[0], ""], end_ts=end).row_count
        target = lab.collection(name)[0]
        imported = lab.restore(target, staged, end_ts=end).row_count
        keys = lab.keys(target)
        before = {k for at, ks in acked if at <= sent for k in ks}
        earlier = {k for at, ks in acked if at <= sent - 0.1 for k in ks}
        print(f"end_ts {label}: stored {stored}, imported {imported}, rows below end_ts in segments sealed later {stray}; ", end="")
        if upsert:
            print(f"{len(keys)} of {constant} keys")
        else:
            print(f"of {len(before)} acked before Flush {len(before - keys)} are missing, of {len(earlier)} acked 100 ms earlier {len(earlier - keys)}")
        if label == "T" and not upsert:
            assert not earlier - keys and imported <= stored
        if label == "T-1000":
            assert stray == 0 and (not upsert or len(keys) == constant)


def stage(lab, source, segments, name="staged"):
    """Copies exactly these segments to a folder of their own."""
    staged = []
    for folder in lab.folders(source):
        to = folder.replace(f"{lab.data}/", f"{lab.data}/{name}/")
        os.makedirs(to, exist_ok=True)
        for s in segments:
            if os.path.isdir(f"{folder}{s}"):
                shutil.copytree(f"{folder}{s}", f"{to}{s}")
        staged.append(to)
    return staged


def dangling_aliases(lab):
    """Dropping a collection leaves its aliases: CreateAlias is refused (1602), AlterAlias and DropAlias work; a collection of that name cannot be reached."""
    old, _ = lab.collection("old")
    new, _ = lab.collection("new")
    aliases = [f"{kind}_{lab.tag}" for kind in ("alter", "drop", "shadow")]
    for alias in aliases:
        lab.c.call("CreateAlias", pb.CreateAliasRequest(collection_name=old, alias=alias))
    lab.c.drop("default", old)
    alter, dropped, shadow = aliases
    assert refused(lab, "DescribeCollection", pb.DescribeCollectionRequest(collection_name=alter)) == 100
    assert refused(lab, "CreateAlias", pb.CreateAliasRequest(collection_name=new, alias=alter)) == 1602
    assert refused(lab, "AlterAlias", pb.AlterAliasRequest(collection_name=new, alias=alter)) is None
    assert refused(lab, "DropAlias", pb.DropAliasRequest(alias=dropped)) is None
    assert refused(lab, "CreateAlias", pb.CreateAliasRequest(collection_name=new, alias=dropped)) is None
    schema = schema_pb2.CollectionSchema(name=shadow, fields=[int_key(), vector()])
    lab.c.create("default", schema)  # the server takes it ...
    assert refused(lab, "DescribeCollection", pb.DescribeCollectionRequest(collection_name=shadow)) == 100  # ... but hides it
    assert refused(lab, "DropAlias", pb.DropAliasRequest(alias=shadow)) is None
    assert refused(lab, "DescribeCollection", pb.DescribeCollectionRequest(collection_name=shadow)) is None
    lab.c.load("default", new)
    renamed = f"renamed_{lab.tag}"
    lab.c.call("RenameCollection", pb.RenameCollectionRequest(oldName=new, newName=renamed))
    print(sorted(lab.c.describe("default", renamed).aliases), lab.c.load_state("default", renamed))
    assert sorted(lab.c.describe("default", renamed).aliases) == sorted([alter, dropped])


def refused(lab, method, request):
    """The code of a refusal, None if there was none."""
    try:
        lab.c.call(method, request)
        return None
    except Refused as e:
        print(f"{method}: {e}")
        return e.status.code


def field_ids_are_given_anew(lab):
    """CreateCollection numbers the fields from 100 in the order given, whatever ids the schema carries."""
    schema = schema_pb2.CollectionSchema(name=f"ids_{lab.tag}", fields=[int_key(fieldID=100), field("n", T.Int64, fieldID=205), vector(fieldID=102)])
    lab.c.create("default", schema)
    ids = [f.fieldID for f in lab.c.describe("default", schema.name).schema.fields]
    print(ids)
    assert ids == [100, 101, 102]


EXPERIMENTS = [
    import_counts_rows_after_deletes,
    missing_folders_are_no_error,
    probe_tells_whether_a_folder_is_visible,
    flush_cuts_inside_a_tick,
    boundary_under_inserts,
    boundary_under_upserts,
    dangling_aliases,
    field_ids_are_given_anew,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(e.__name__ for e in EXPERIMENTS))
    args = parser.parse_args()
    lab, failed = Lab(args.address, args.data.rstrip("/")), 0
    for experiment in EXPERIMENTS:
        if args.names and experiment.__name__ not in args.names:
            continue
        print(f"== {experiment.__name__}: {experiment.__doc__}", flush=True)
        try:
            experiment(lab)
        except (AssertionError, Refused) as e:
            failed += 1
            print(f"DOES NOT HOLD: {e!r}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
