#!/usr/bin/env python3
"""Writes collections of a Milvus with local storage as a tree of milvus-backup.

    foreign.py --address A --data DIR --out BACKUP --collections db.a,db.b [--old]

BACKUP is the tree's own folder. The collections must not be written to meanwhile. --old writes what
milvus-backup v0.3 wrote: no full_meta.json, segments in groups that several share or in none, the fields
that later versions dropped.

This is made from the tables of milvus-backup's format alone. It shares nothing with the agent that reads it,
and speaks Milvus's protocol itself (pymilvus lends its generated messages).
"""

import argparse
import base64
import json
import shutil
import time
from pathlib import Path

import grpc
from pymilvus.grpc_gen import common_pb2 as common
from pymilvus.grpc_gen import milvus_pb2 as pb
from pymilvus.grpc_gen import milvus_pb2_grpc

ALWAYS = {"size", "log_size", "state_code", "has_index", "progress"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--collections", required=True)
    parser.add_argument("--old", action="store_true")
    args = parser.parse_args()
    begun = int(time.time() * 1000)
    milvus = Milvus(args.address)
    collections = [Collection(args, milvus, *name.split(".")).told() for name in args.collections.split(",")]
    top = {
        "id": "0f1e2d3c-0000-4000-8000-00000000f0f0",
        "state_code": 2 if args.old else 0,
        **({"start_time": begun, "end_time": begun + 1000, "progress": 100} if args.old else {}),
        "name": args.out.name,
        "collection_backups": collections,
        "size": sum(c["size"] for c in collections),
        "milvus_version": milvus.call("GetVersion", pb.GetVersionRequest()).version,
        "database_backups": [] if args.old else [{"db_name": db} for db in sorted({c["db_name"] for c in collections})],
    }
    write_documents(args.out / "meta", top, args.old)


class Milvus:
    def __init__(self, address):
        self.stub = milvus_pb2_grpc.MilvusServiceStub(grpc.insecure_channel(address.removeprefix("http://")))

    def call(self, method, request, db="default"):
        answer = getattr(self.stub, method)(request, timeout=60, metadata=[("dbname", db)])
        if answer.status.error_code or answer.status.code:
            raise SystemExit(f"{method}: {answer.status}")
        return answer


class Collection:
    def __init__(self, args, milvus, db, name):
        self.args, self.milvus, self.db, self.name = args, milvus, db, name

    def call(self, method, request):
        return self.milvus.call(method, request, self.db)

    def told(self):
        segments = self.flush()
        described = self.call("DescribeCollection", pb.DescribeCollectionRequest(collection_name=self.name))
        self.id = described.collectionID
        shown = self.call("ShowPartitions", pb.ShowPartitionsRequest(collection_name=self.name))
        states = {name: self.load_state([name]) for name in shown.partition_names}
        loaded = set(states.values())
        partitions = [
            self.partition(partition, name, states[name], [s for s in segments if s.partitionID == partition])
            for partition, name in sorted(zip(shown.partitionIDs, shown.partition_names))
        ]
        indexes = self.indexes()
        return {
            "id": "0f1e2d3c-0000-4000-8000-00000000f0f0",
            **({"state_code": 2} if self.args.old else {}),
            "collection_id": self.id,
            "db_name": self.db,
            "collection_name": self.name,
            "schema": schema(described.schema, self.args.old),
            "shards_num": described.shards_num,
            "consistency_level": described.consistency_level,
            "partition_backups": partitions,
            "backup_timestamp": self.sealed << 18 if self.args.old else 0,
            "size": sum(p["size"] for p in partitions),
            "has_index": bool(indexes),
            "index_infos": indexes,
            "load_state": loaded.pop() if len(loaded) == 1 else "Loading",
            "backup_physical_timestamp": 0 if self.args.old else self.sealed,
            "properties": pairs(described.properties),
            "created_timestamp": 0 if self.args.old else described.created_timestamp,
            "virtual_channel_names": [] if self.args.old else list(described.virtual_channel_names),
            "physical_channel_names": [] if self.args.old else list(described.physical_channel_names),
            "aliases": [] if self.args.old else list(described.aliases),
        }

    def flush(self):
        """Flushes, and waits; what is known of the flushed segments."""
        answer = self.call("Flush", pb.FlushRequest(collection_names=[self.name]))
        self.sealed = answer.coll_seal_times[self.name]
        wanted = set(answer.coll_segIDs[self.name].data) | set(answer.flush_coll_segIDs[self.name].data)
        request = pb.GetFlushStateRequest(
            segmentIDs=answer.coll_segIDs[self.name].data, flush_ts=answer.coll_flush_ts[self.name], collection_name=self.name
        )
        while not self.call("GetFlushState", request).flushed:
            time.sleep(0.1)
        request = pb.GetPersistentSegmentInfoRequest(dbName=self.db, collectionName=self.name)
        infos = self.call("GetPersistentSegmentInfo", request).infos
        found = [s for s in infos if s.segmentID in wanted and s.state == common.SegmentState.Flushed]
        assert len(found) == len(wanted), "a segment was compacted meanwhile"
        return sorted(found, key=lambda s: s.segmentID)

    def load_state(self, partitions):
        request = pb.GetLoadStateRequest(collection_name=self.name, partition_names=partitions)
        state = self.call("GetLoadState", request).state
        return "Loaded" if state == common.LoadState.LoadStateLoaded else "NotLoad"

    def indexes(self):
        answer = self.milvus.stub.DescribeIndex(pb.DescribeIndexRequest(collection_name=self.name), metadata=[("dbname", self.db)])
        found = []
        for index in answer.index_descriptions:
            params = {p.key: p.value for p in index.params}
            found.append({
                "field_name": index.field_name, "index_name": index.index_name, "index_type": params.get("index_type", ""),
                "params": params, "index_id": index.indexID,
            })  # fmt: skip
        return found

    def partition(self, partition, name, load_state, infos):
        segments = [self.segment(partition, info, number) for number, info in enumerate(infos)]
        return {
            "partition_id": partition, "partition_name": name, "collection_id": self.id, "segment_backups": segments,
            "size": sum(s["size"] for s in segments), "load_state": load_state,
        }  # fmt: skip

    def segment(self, partition, info, number):
        segment = info.segmentID
        # Later versions: the segment's id. Old ones: none in the default partition of Milvus, else pairs.
        group = segment if not self.args.old else 1 + number // 2 if number else 0
        path = [str(self.id), str(partition), str(segment)]
        fields = self.args.data.joinpath("insert_log", *path).iterdir()
        inserts = [
            {"fieldID": int(field.name), "binlogs": [self.log(["insert_log", *path, field.name], log, group) for log in files(field)]}
            for field in sorted(fields, key=lambda f: int(f.name))
        ]
        deltas = self.args.data.joinpath("delta_log", *path)
        deltas = [self.log(["delta_log", *path], log, group) for log in files(deltas)] if deltas.is_dir() else []
        if self.args.old:
            told = [{"fieldID": log["log_id"], "binlogs": [log]} for log in deltas]
        else:
            told = [{"binlogs": deltas}]
        return {
            "segment_id": segment, "collection_id": self.id, "partition_id": partition, "num_of_rows": info.num_rows,
            "binlogs": inserts, "deltalogs": told,
            "size": sum(log["log_size"] for field in inserts + told for log in field["binlogs"]),
            "group_id": group, "backuped": self.args.old,
        }  # fmt: skip

    def log(self, path, file, group):
        """Copies one file to where the tree has it."""
        kind, collection, partition, *rest = path
        folder = [kind, collection, partition, *([str(group)] if group else []), *rest]
        to = self.args.out.joinpath("binlogs", *folder, file.name)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)
        entry = {"log_path": "/".join(["files", *path, file.name]), "log_size": file.stat().st_size, "log_id": int(file.name)}
        return {"entries_num": 7, "timestamp_from": 1, "timestamp_to": 2, **entry} if self.args.old else entry


def files(folder):
    return sorted((f for f in folder.iterdir() if f.is_file()), key=lambda f: int(f.name))


def schema(schema, old):
    return {
        "name": schema.name, "description": schema.description, "autoID": schema.autoID,
        "fields": [field(f, old) for f in schema.fields], "enable_dynamic_field": schema.enable_dynamic_field,
    }  # fmt: skip


def field(f, old):
    default = f.default_value.SerializeToString()
    return {
        "fieldID": f.fieldID, "name": f.name, "is_primary_key": f.is_primary_key, "description": f.description,
        "data_type": f.data_type, "type_params": pairs(f.type_params), "index_params": pairs(f.index_params),
        "autoID": f.autoID, "state": f.state, "element_type": f.element_type, "is_dynamic": f.is_dynamic,
        "is_partition_key": f.is_partition_key,
        "default_value_proto": default.decode(errors="replace") if old else "",
        "default_value_base64": "" if old else base64.b64encode(default).decode(),
    }  # fmt: skip


def pairs(kvs):
    return [{"key": kv.key, "value": kv.value} for kv in kvs]


def write_documents(folder, top, old):
    folder.mkdir(parents=True)
    collections = top["collection_backups"]
    partitions = [p for c in collections for p in c["partition_backups"]]
    segments = [s for p in partitions for s in p["segment_backups"]]
    without = lambda message, key: {k: v for k, v in message.items() if k != key}  # noqa: E731
    bare = [without(p, "segment_backups") for p in partitions]
    of = lambda c: [without(p, "segment_backups") for p in c["partition_backups"]]  # noqa: E731
    write(folder / "backup_meta.json", without(without(top, "collection_backups"), "database_backups"))
    write(folder / "collection_meta.json", {"infos": [{**c, "partition_backups": [] if old else of(c)} for c in collections]})
    write(folder / "partition_meta.json", {"infos": bare})
    write(folder / "segment_meta.json", {"infos": segments})
    if not old:
        write(folder / "full_meta.json", top)


def write(file, message):
    text = json.dumps(pruned(message), separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    file.write_text(text)


def pruned(value):
    """As Go leaves out what is zero."""
    if isinstance(value, dict):
        return {k: pruned(v) for k, v in value.items() if v or k in ALWAYS}
    if isinstance(value, list):
        return [pruned(v) for v in value]
    return value


if __name__ == "__main__":
    main()
