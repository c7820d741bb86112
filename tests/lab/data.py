#!/usr/bin/env python3
"""Fills a Milvus with test data, dumps its complete logical state, and compares two dumps.

    data.py fill --address A --scenario types|partition_key|auto_id|many|segments|upsert|large|demo
                 [--rows N] [--segments K] [--collection db.c] [--tag T]
    data.py add --address A --collection db.c --rows N --start K [--partition P] [--upsert] [--flush]
    data.py delete --address A --collection db.c --where EXPR [--partition P] [--flush]
    data.py upsert-loop --address A --collection db.c --keys N --stop-file F
    data.py window-loop --address A --collection db.c --keys N --stop-file F
    data.py drop --address A --collection db.c
    data.py drop-database --address A --database D
    data.py keys --address A --collection db.c
    data.py dump --address A [--collections db.a,db.b] --out FILE
    data.py compare FILE1 FILE2 [--rename db.a=db.b]... [--ignore aliases,load,...]

Run it with the python that setup.sh prints. It speaks the protocol itself (pymilvus lends its
generated messages), so that nothing between us and the server hides or changes a value.
"""

import argparse
import json
import random
import string
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from pymilvus.grpc_gen import common_pb2 as common
from pymilvus.grpc_gen import milvus_pb2 as pb
from pymilvus.grpc_gen import milvus_pb2_grpc, schema_pb2

from channel import login, open_channel

T = schema_pb2.DataType
INT_TYPES = (T.Int8, T.Int16, T.Int32)
PAGE = 2000
DIM = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, function, *arguments):
        p = commands.add_parser(name)
        p.set_defaults(function=function)
        for flags, options in arguments:
            p.add_argument(*flags, **options)

    def arg(*flags, **options):
        return flags, options

    address = arg("--address", required=True)
    collection = arg("--collection", required=True, metavar="DB.NAME")
    rows = arg("--rows", type=int)
    partition = arg("--partition", default="")
    flush_after = arg("--flush", action="store_true")
    command(
        "fill", fill, address, rows,
        arg("--scenario", required=True, choices=sorted(SCENARIOS)),
        arg("--segments", type=int, default=8),
        arg("--collection", metavar="DB.NAME"),
        arg("--tag", help="appended to the names of the scenario, so that several fit on one server"),
    )  # fmt: skip
    upsert = arg("--upsert", action="store_true")
    command("add", add, address, collection, rows, partition, flush_after, upsert, arg("--start", type=int, required=True))
    command("delete", delete, address, collection, partition, flush_after, arg("--where", required=True))
    command(
        "upsert-loop", upsert_loop, address, collection,
        arg("--keys", type=int, required=True), arg("--stop-file", type=Path, required=True),
    )  # fmt: skip
    command(
        "window-loop", window_loop, address, collection,
        arg("--keys", type=int, required=True), arg("--stop-file", type=Path, required=True),
    )  # fmt: skip
    command("drop", drop, address, collection)
    command("drop-database", drop_database, address, arg("--database", required=True))
    command("keys", keys, address, collection)
    command("dump", dump, address, arg("--collections", default=""), arg("--out", type=Path, required=True))
    command(
        "compare", compare,
        arg("file1", type=Path), arg("file2", type=Path),
        arg("--rename", action="append", default=[], metavar="DB.A=DB.B"),
        arg("--ignore", default="", help="parts that may differ: " + ",".join(PARTS)),
    )  # fmt: skip
    args = parser.parse_args()
    sys.exit(args.function(args) or 0)


# ---- the client -------------------------------------------------------------------------------------


class Refused(Exception):
    """The server answered with an error status."""

    def __init__(self, method, status):
        super().__init__(f"{method}: {status.reason} (error_code {status.error_code}, code {status.code})")
        self.status = status


class Client:
    def __init__(self, address):
        self.channel = open_channel(address, [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
        self.stub = milvus_pb2_grpc.MilvusServiceStub(self.channel)

    def call(self, method, request, db="default", timeout=120):
        """Calls a method with the database as metadata; the answer, or Refused."""
        answer = getattr(self.stub, method)(request, timeout=timeout, metadata=[("dbname", db), *login()])
        status = answer if isinstance(answer, common.Status) else answer.status
        if status.error_code or status.code:
            raise Refused(method, status)
        return answer

    def is_2_2(self):
        return self.call("GetVersion", pb.GetVersionRequest()).version.removeprefix("v").startswith("2.2.")

    def databases(self):
        return sorted(self.call("ListDatabases", pb.ListDatabasesRequest()).db_names)

    def ensure_database(self, db):
        if db not in self.databases():
            self.call("CreateDatabase", pb.CreateDatabaseRequest(db_name=db))

    def collections(self, db):
        return sorted(self.call("ShowCollections", pb.ShowCollectionsRequest(), db).collection_names)

    def describe(self, db, name):
        return self.call("DescribeCollection", pb.DescribeCollectionRequest(collection_name=name), db)

    def partitions(self, db, name):
        return sorted(self.call("ShowPartitions", pb.ShowPartitionsRequest(collection_name=name), db).partition_names)

    def create(self, db, schema, shards=1, properties=None, level=common.ConsistencyLevel.Bounded, num_partitions=0):
        request = pb.CreateCollectionRequest(
            collection_name=schema.name, schema=schema.SerializeToString(), shards_num=shards,
            consistency_level=level, properties=pairs(properties or {}), num_partitions=num_partitions,
        )  # fmt: skip
        self.call("CreateCollection", request, db)

    def drop(self, db, name):
        self.call("DropCollection", pb.DropCollectionRequest(collection_name=name), db)

    def create_partition(self, db, name, partition):
        self.call("CreatePartition", pb.CreatePartitionRequest(collection_name=name, partition_name=partition), db)

    def create_index(self, db, name, field, params, index_name=""):
        request = pb.CreateIndexRequest(collection_name=name, field_name=field, extra_params=pairs(params), index_name=index_name)
        self.call("CreateIndex", request, db)

    def indexes(self, db, name):
        try:
            found = self.call("DescribeIndex", pb.DescribeIndexRequest(collection_name=name), db).index_descriptions
        except Refused as e:
            if e.status.code == 700 or e.status.error_code == common.IndexNotExist:  # the collection has none
                return []
            raise
        return sorted(found, key=lambda i: i.index_name)

    def load(self, db, name, partitions=()):
        if partitions:
            self.call("LoadPartitions", pb.LoadPartitionsRequest(collection_name=name, partition_names=partitions, replica_number=1), db)
        else:
            self.call("LoadCollection", pb.LoadCollectionRequest(collection_name=name, replica_number=1), db)
        request = pb.GetLoadingProgressRequest(collection_name=name, partition_names=partitions)
        wait_for(lambda: self.call("GetLoadingProgress", request, db).progress >= 100, f"loading {db}.{name}")

    def release(self, db, name, partitions=()):
        if partitions:
            self.call("ReleasePartitions", pb.ReleasePartitionsRequest(collection_name=name, partition_names=partitions), db)
        else:
            self.call("ReleaseCollection", pb.ReleaseCollectionRequest(collection_name=name), db)

    def load_state(self, db, name, partitions=()):
        request = pb.GetLoadStateRequest(collection_name=name, partition_names=partitions)
        return common.LoadState.Name(self.call("GetLoadState", request, db).state)

    def flush(self, db, name):
        """Flushes and waits; the FlushResponse."""
        answer = self.call("Flush", pb.FlushRequest(collection_names=[name]), db)
        request = pb.GetFlushStateRequest(
            segmentIDs=answer.coll_segIDs[name].data, flush_ts=answer.coll_flush_ts[name], collection_name=name
        )
        wait_for(lambda: self.call("GetFlushState", request, db).flushed, f"flushing {db}.{name}")
        return answer

    def insert(self, db, name, schema, rows, partition="", upsert=False):
        """Inserts rows (dicts) in column form; the MutationResult."""
        columns = to_columns(schema, rows)
        kind, method = (pb.UpsertRequest, "Upsert") if upsert else (pb.InsertRequest, "Insert")
        return self.call(method, kind(collection_name=name, partition_name=partition, fields_data=columns, num_rows=len(rows)), db)

    def delete(self, db, name, expr, partition=""):
        return self.call("Delete", pb.DeleteRequest(collection_name=name, partition_name=partition, expr=expr), db)

    def query(self, db, name, expr, fields, partitions=()):
        """Rows (dicts), strongly consistent."""
        request = pb.QueryRequest(
            collection_name=name, expr=expr, output_fields=fields, partition_names=partitions,
            guarantee_timestamp=0, consistency_level=common.ConsistencyLevel.Strong,
        )  # fmt: skip
        return to_rows(self.call("Query", request, db))


def pairs(mapping):
    return [common.KeyValuePair(key=k, value=str(v)) for k, v in mapping.items()]


def unpairs(kvs):
    return {kv.key: kv.value for kv in sorted(kvs, key=lambda kv: kv.key)}


def wait_for(done, what, timeout=300):
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def split(name):
    """db.collection, or a collection of the default database."""
    db, dot, collection = name.partition(".")
    return (db, collection) if dot else ("default", name)


def primary_key(schema):
    return next(f for f in schema.fields if f.is_primary_key)


def literal(value):
    return json.dumps(value) if isinstance(value, str) else str(value)


# ---- rows and columns -------------------------------------------------------------------------------


def scalar_column(scalars, data_type):
    """The repeated field of a ScalarField in which values of this type lie."""
    if data_type == T.Bool:
        return scalars.bool_data.data
    if data_type in INT_TYPES:
        return scalars.int_data.data
    if data_type == T.Int64:
        return scalars.long_data.data
    if data_type == T.Float:
        return scalars.float_data.data
    if data_type == T.Double:
        return scalars.double_data.data
    if data_type in (T.VarChar, T.String):
        return scalars.string_data.data
    if data_type == T.JSON:
        return scalars.json_data.data
    if data_type == T.Array:
        return scalars.array_data.data
    raise ValueError(f"no column for type {data_type}")


def to_columns(schema, rows):
    columns, known = [], set()
    for field in schema.fields:
        known.add(field.name)
        if (field.is_primary_key and field.autoID) or field.is_dynamic:
            continue
        column = schema_pb2.FieldData(field_name=field.name, type=field.data_type)
        if field.name not in rows[0]:  # the server fills in the default; without an empty typed column 2.3.5 panics
            getattr(column.scalars, "string_data" if field.data_type == T.VarChar else "long_data").SetInParent()
            columns.append(column)
            continue
        values = [row[field.name] for row in rows]
        if field.data_type == T.FloatVector:
            column.vectors.dim = len(values[0])
            column.vectors.float_vector.data.extend(x for v in values for x in v)
        elif field.data_type == T.BinaryVector:
            column.vectors.dim = len(values[0]) * 8
            column.vectors.binary_vector = b"".join(values)
        elif field.data_type == T.JSON:
            column.scalars.json_data.data.extend(json.dumps(v).encode() for v in values)
        elif field.data_type == T.Array:
            column.scalars.array_data.element_type = field.element_type
            for v in values:
                scalar_column(column.scalars.array_data.data.add(), field.element_type).extend(v)
        else:
            scalar_column(column.scalars, field.data_type).extend(values)
        columns.append(column)
    if schema.enable_dynamic_field:
        column = schema_pb2.FieldData(type=T.JSON, is_dynamic=True)
        extras = ({k: v for k, v in row.items() if k not in known} for row in rows)
        column.scalars.json_data.data.extend(json.dumps(e).encode() for e in extras)
        columns.append(column)
    return columns


def to_rows(answer):
    columns = {}
    for column in answer.fields_data:
        if column.type == T.FloatVector:
            data, dim = column.vectors.float_vector.data, column.vectors.dim
            values = [list(data[i : i + dim]) for i in range(0, len(data), dim)]
        elif column.type == T.BinaryVector:
            data, size = column.vectors.binary_vector, column.vectors.dim // 8
            values = [data[i : i + size].hex() for i in range(0, len(data), size)]
        elif column.type == T.JSON:
            values = [json.loads(v) if v else None for v in column.scalars.json_data.data]
        elif column.type == T.Array:
            array = column.scalars.array_data
            values = [list(scalar_column(v, array.element_type)) for v in array.data]
        else:
            values = list(scalar_column(column.scalars, column.type))
        columns["$meta" if column.is_dynamic else column.field_name] = values
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def make_rows(schema, start, count, salt=0):
    return [make_row(schema, key, salt) for key in range(start, start + count)]


def make_row(schema, key, salt=0):
    """A row that depends on the schema, the key and the salt only. Fields with a default value stay out."""
    rng, row = random.Random(key * 1_000_003 + salt), {}
    for field in schema.fields:
        if field.is_dynamic or (field.is_primary_key and field.autoID) or field.HasField("default_value"):
            continue
        row[field.name] = key_value(field, key) if field.is_primary_key else random_value(rng, field, field.data_type, salt)
    if schema.enable_dynamic_field:
        row["extra_int"] = key * 7 + salt
        if key % 3:
            row["extra_text"] = random_text(rng, 12)
        if key % 5 == 0:
            row["extra_nested"] = {"list": [key, None, "x"], "deep": {"flag": key % 2 == 0}}
    return row


def key_value(field, key):
    return f"key-{key:09d}" if field.data_type == T.VarChar else key


def random_value(rng, field, data_type, salt):
    if field.name == "salt":
        return salt
    if data_type == T.Bool:
        return rng.random() < 0.5
    if data_type == T.Int8:
        return rng.randrange(-128, 128)
    if data_type == T.Int16:
        return rng.randrange(-(2**15), 2**15)
    if data_type == T.Int32:
        return rng.randrange(-(2**31), 2**31)
    if data_type == T.Int64:
        return rng.randrange(-(2**63), 2**63)
    if data_type in (T.Float, T.Double):
        return rng.uniform(-1e6, 1e6)
    if data_type == T.VarChar:
        return random_text(rng, rng.randrange(0, 20))
    if data_type == T.JSON:
        return {"n": rng.randrange(10**12), "text": random_text(rng, 8), "list": [1, "two", {"three": 3.5}], "none": None}
    if data_type == T.Array:
        return [random_value(rng, field, field.element_type, salt) for _ in range(rng.randrange(0, 6))]
    dim = int(unpairs(field.type_params)["dim"])
    if data_type == T.FloatVector:
        return [rng.uniform(-1, 1) for _ in range(dim)]
    if data_type == T.BinaryVector:
        return rng.randbytes(dim // 8)
    raise ValueError(f"no values for type {data_type}")


def random_text(rng, length):
    return "".join(rng.choices(string.ascii_letters + "äß漢\"'\\ ", k=length))


# ---- scenarios --------------------------------------------------------------------------------------


def field(name, data_type, element_type=0, default=None, **options):
    params = {k: options.pop(k) for k in ("dim", "max_length", "max_capacity") if k in options}
    return schema_pb2.FieldSchema(
        name=name, data_type=data_type, element_type=element_type, type_params=pairs(params), default_value=default, **options
    )


def int_key(**options):
    return field("id", T.Int64, is_primary_key=True, **options)


def vector(**options):
    return field("vec", T.FloatVector, dim=DIM, **options)


FLAT = {"index_type": "FLAT", "metric_type": "L2"}
HNSW = {"index_type": "HNSW", "metric_type": "COSINE", "params": json.dumps({"M": 8, "efConstruction": 64})}
IVF = {"index_type": "IVF_FLAT", "metric_type": "IP", "params": json.dumps({"nlist": 16})}


def fill_types(c, args):
    """Every type that the server has, three partitions, properties, indexes, alias, deletes after a flush, rows after the
    deletes; in two databases."""
    rows, since_2_3 = count(args), [] if c.is_2_2() else types_since_2_3()
    name = tagged(args, "types")
    for db, key, index, salt in (
        ("default", field("id", T.VarChar, is_primary_key=True, max_length=64), HNSW if since_2_3 else HNSW | {"metric_type": "L2"}, 1),
        (tagged(args, "db2"), int_key(description="the key"), IVF, 2),
    ):
        c.ensure_database(db)
        schema = schema_pb2.CollectionSchema(
            name=name, description=f"every type, in {db}", enable_dynamic_field=True,
            fields=[
                key,
                field("flag", T.Bool),
                field("i8", T.Int8), field("i16", T.Int16), field("i32", T.Int32), field("i64", T.Int64),
                field("f32", T.Float), field("f64", T.Double),
                field("text", T.VarChar, max_length=200, description="some text"),
                field("doc", T.JSON),
                *since_2_3,
                vector(),
            ],
        )  # fmt: skip
        c.create(db, schema, shards=2, level=common.ConsistencyLevel.Session, properties={"collection.ttl.seconds": 315360000})
        partitions = ["_default", "p_a", "p_b", "p_c"]
        for partition in partitions[1:]:
            c.create_partition(db, name, partition)
        c.create_index(db, name, "vec", index, "vec_index")
        c.create_index(db, name, "text" if db == "default" else "i64", {}, "scalar_index")
        c.call("CreateAlias", pb.CreateAliasRequest(collection_name=name, alias=f"{name}_alias_{db}"), db)
        part = rows // 4
        for i, partition in enumerate(partitions):
            insert_all(c, db, name, schema, make_rows(schema, i * part, part, salt), partition)
        c.load(db, name)
        c.flush(db, name)
        c.delete(db, name, f"id in {json.dumps([key_value(key, k) for k in range(0, rows, 20)])}")
        late = rows // 10
        insert_all(c, db, name, schema, make_rows(schema, rows, late, salt), "p_b")
        c.delete(db, name, f"id in {json.dumps([key_value(key, k) for k in range(rows, rows + late, 10)])}")


def types_since_2_3():
    value = schema_pb2.ValueField
    return [
        field("ints", T.Array, T.Int64, max_capacity=16),
        field("texts", T.Array, T.VarChar, max_capacity=16, max_length=100),
        field("floats", T.Array, T.Float, max_capacity=16),
        field("with_default", T.Int64, default=value(long_data=4711)),
        field("text_default", T.VarChar, max_length=50, default=value(string_data="unless said")),
    ]


def fill_partition_key(c, args):
    """A collection with a partition key, not loaded."""
    name = tagged(args, "pkey")
    schema = schema_pb2.CollectionSchema(
        name=name, fields=[int_key(), field("tenant", T.VarChar, max_length=64, is_partition_key=True), vector()]
    )
    c.create("default", schema, num_partitions=8)
    c.create_index("default", name, "vec", IVF)
    rows = make_rows(schema, 0, count(args))
    for row in rows:
        row["tenant"] = f"tenant-{row['id'] % 20}"
    insert_all(c, "default", name, schema, rows)


def fill_auto_id(c, args):
    """Automatic keys and binary vectors; one of three partitions loaded."""
    name = tagged(args, "autoid")
    schema = schema_pb2.CollectionSchema(
        name=name, autoID=True, fields=[int_key(autoID=True), field("n", T.Int32), field("vec", T.BinaryVector, dim=64)]
    )
    c.create("default", schema)
    c.create_index("default", name, "vec", {"index_type": "BIN_FLAT", "metric_type": "HAMMING"})
    rows = count(args)
    for i, partition in enumerate(("p_loaded", "p_not_loaded")):
        c.create_partition("default", name, partition)
        insert_all(c, "default", name, schema, make_rows(schema, i * rows // 2, rows // 2), partition)
    c.load("default", name, ["p_loaded"])


def fill_many(c, args):
    """Many small collections."""
    for i in range(count(args, 100)):
        schema = schema_pb2.CollectionSchema(name=f"{tagged(args, 'many')}_{i:05d}", fields=[int_key(), vector()])
        c.create("default", schema)
        c.create_index("default", schema.name, "vec", FLAT)
        c.insert("default", schema.name, schema, make_rows(schema, 0, 5, i))


def fill_segments(c, args):
    """One partition of K segments (compaction must be off, and one shard means one segment a flush)."""
    db, name = split(args.collection or "default.segments")
    schema = simple_collection(c, db, name)
    rows = count(args)
    for k in range(args.segments):
        insert_all(c, db, name, schema, make_rows(schema, k * rows, rows))
        c.flush(db, name)


def fill_upsert(c, args):
    """What upsert-loop works on: keys 0..N-1, each with the round in `salt`."""
    db, name = split(args.collection or "default.upsert")
    schema = simple_collection(c, db, name)
    insert_all(c, db, name, schema, make_rows(schema, 0, count(args)))


def fill_large(c, args):
    """One segment whose vectors, 4 KiB each, are one large file if the server gathers enough before it writes."""
    db, name = split(args.collection or "default.large")
    schema = schema_pb2.CollectionSchema(name=name, fields=[int_key(), field("vec", T.FloatVector, dim=1024)])
    c.create(db, schema)
    insert_all(c, db, name, schema, make_rows(schema, 0, args.rows or 5000))
    c.flush(db, name)


def fill_demo(c, args):
    """What `make demo` shows: products with a 32-dimensional vector, an index, an alias, loaded and flushed."""
    name = "products"
    schema = schema_pb2.CollectionSchema(
        name=name, fields=[int_key(), field("title", T.VarChar, max_length=100), field("vec", T.FloatVector, dim=32)]
    )
    c.create("default", schema)
    c.create_index("default", name, "vec", HNSW, "vec_index")
    c.call("CreateAlias", pb.CreateAliasRequest(collection_name=name, alias="shop"))
    insert_all(c, "default", name, schema, make_rows(schema, 0, args.rows or 20_000))
    c.flush("default", name)
    c.load("default", name)


def simple_collection(c, db, name):
    c.ensure_database(db)
    schema = schema_pb2.CollectionSchema(name=name, fields=[int_key(), field("salt", T.Int64), vector()])
    c.create(db, schema)
    c.create_index(db, name, "vec", FLAT)
    return schema


SCENARIOS = {
    "types": fill_types,
    "partition_key": fill_partition_key,
    "auto_id": fill_auto_id,
    "many": fill_many,
    "segments": fill_segments,
    "upsert": fill_upsert,
    "large": fill_large,
    "demo": fill_demo,
}


def insert_all(c, db, name, schema, rows, partition="", upsert=False):
    for i in range(0, len(rows), PAGE):
        c.insert(db, name, schema, rows[i : i + PAGE], partition, upsert)


def count(args, default=1000):
    return default if args.rows is None else args.rows


def tagged(args, name):
    return f"{name}_{args.tag}" if args.tag else name


def fill(args):
    SCENARIOS[args.scenario](Client(args.address), args)


def add(args):
    c, (db, name) = Client(args.address), split(args.collection)
    schema = c.describe(db, name).schema
    insert_all(c, db, name, schema, make_rows(schema, args.start, count(args)), args.partition, args.upsert)
    if args.flush:
        c.flush(db, name)


def delete(args):
    """Takes `id in [...]`, `id == 1`, and on a loaded collection any expression."""
    c, (db, name) = Client(args.address), split(args.collection)
    print(c.delete(db, name, args.where, args.partition).delete_cnt)
    if args.flush:
        c.flush(db, name)


def window_loop(args):
    """On keys 0..N-1: inserts the next five, deletes the first five, and so on. At any moment the keys are a run without
    holes of N to N + 5. Prints a line once it writes, and in the end how many it inserted."""
    c, (db, name) = Client(args.address), split(args.collection)
    schema, n = c.describe(db, name).schema, args.keys
    while not args.stop_file.exists():
        c.insert(db, name, schema, make_rows(schema, n, 5))
        c.delete(db, name, f"id in {list(range(n - args.keys, n - args.keys + 5))}")
        if n == args.keys:
            print("writing", flush=True)
        n += 5
    print(n - args.keys)


def drop(args):
    c, (db, name) = Client(args.address), split(args.collection)
    c.drop(db, name)


def drop_database(args):
    Client(args.address).call("DropDatabase", pb.DropDatabaseRequest(db_name=args.database))


def keys(args):
    """Prints how many rows there are (`count(*)` counts a key twice that is there twice) and which keys."""
    c, (db, name) = Client(args.address), split(args.collection)
    schema = c.describe(db, name).schema
    states = {p: c.load_state(db, name, [p]) for p in c.partitions(db, name)}
    with everything_loaded(c, db, name, schema, states):
        pk = primary_key(schema).name
        found = sorted(row[pk] for row in c.query(db, name, f"{pk} >= {-(2**63) + 1}", [pk]))
        # 2.2 refuses to count without an expression, and with one counts a key once.
        rows = len(found) if c.is_2_2() else c.query(db, name, "", ["count(*)"])[0]["count(*)"]
    print(json.dumps({"rows": rows, "keys": len(found), "distinct": len(set(found)), "first": found[:1], "last": found[-1:]}))


def upsert_loop(args):
    """Every round writes all keys once, `salt` is the round; the set of keys never changes."""
    c, (db, name) = Client(args.address), split(args.collection)
    schema = c.describe(db, name).schema
    rounds = 0
    while not args.stop_file.exists():
        insert_all(c, db, name, schema, make_rows(schema, 0, args.keys, rounds + 1), upsert=True)
        rounds += 1
    print(rounds)


# ---- dump -------------------------------------------------------------------------------------------


def dump(args):
    c = Client(args.address)
    wanted = [split(n) for n in args.collections.split(",") if n]
    if not wanted:
        wanted = [(db, name) for db in c.databases() for name in c.collections(db)]
    with ThreadPoolExecutor(8) as pool:  # a load is 2.5 s of waiting
        dumps = pool.map(lambda w: (".".join(w), dump_collection(c, *w)), sorted(wanted))
        state = {"databases": c.databases(), "collections": dict(dumps)}
    args.out.write_text(json.dumps(state, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def dump_collection(c, db, name):
    described = c.describe(db, name)
    schema = described.schema
    partitions = c.partitions(db, name)
    states = {p: c.load_state(db, name, [p]) for p in partitions}
    loaded = c.load_state(db, name)
    result = {
        "schema": {
            "description": schema.description,
            "auto_id": schema.autoID,
            "dynamic": schema.enable_dynamic_field,
            "fields": [dump_field(f) for f in schema.fields],
        },
        "properties": unpairs(described.properties),
        "consistency": common.ConsistencyLevel.Name(described.consistency_level),
        "shards": described.shards_num,
        "num_partitions": described.num_partitions,
        "partitions": partitions,
        "indexes": {i.index_name: {"field": i.field_name, "params": unpairs(i.params)} for i in c.indexes(db, name)},
        "aliases": sorted(described.aliases),
        "load": {"collection": loaded, "partitions": states, "replicas": replicas(c, db, name, loaded)},
        "ids": {  # never compared
            "collection": described.collectionID,
            "created": described.created_utc_timestamp,
            "fields": {f.name: f.fieldID for f in schema.fields},
        },
    }
    with everything_loaded(c, db, name, schema, states):
        if any(f.is_partition_key for f in schema.fields):  # here queries by partition are refused; the server places the rows
            result["rows"] = {"": read_rows(c, db, name, schema)}
        else:
            result["rows"] = {p: read_rows(c, db, name, schema, p) for p in partitions}
    return result


def dump_field(f):
    result = MessageToDict(f, preserving_proto_field_name=True)
    result["type_params"] = unpairs(f.type_params)
    result["index_params"] = unpairs(f.index_params)
    result.pop("fieldID", None)
    result.pop("state", None)
    return result


def replicas(c, db, name, loaded):
    if loaded != "LoadStateLoaded":
        return 0
    described = c.describe(db, name)
    return len(c.call("GetReplicas", pb.GetReplicasRequest(collectionID=described.collectionID), db).replicas)


class everything_loaded:
    """Loads what is not loaded, building an index if there is none, and puts it all back afterwards."""

    def __init__(self, c, db, name, schema, states):
        self.c, self.db, self.name = c, db, name
        self.missing = [p for p, s in states.items() if s != "LoadStateLoaded"]
        self.loaded = [p for p, s in states.items() if s == "LoadStateLoaded"]
        self.partly = bool(self.missing and self.loaded)
        self.anew = self.partly and c.is_2_2()  # which loads no partition beside others
        vectors = {f.name: f.data_type for f in schema.fields if f.data_type in (T.FloatVector, T.BinaryVector)}
        indexed = {i.field_name for i in c.indexes(db, name)} if self.missing else set(vectors)
        self.unindexed = {f: t for f, t in vectors.items() if f not in indexed}

    def __enter__(self):
        for f, data_type in self.unindexed.items():
            params = FLAT if data_type == T.FloatVector else {"index_type": "BIN_FLAT", "metric_type": "HAMMING"}
            self.c.create_index(self.db, self.name, f, params, f"dump_{f}")
        if self.missing:
            # Loading replays the channel since its last checkpoint, 25 s for ten minutes of silence; a flush moves that up.
            self.c.flush(self.db, self.name)
            if self.anew:
                self.c.release(self.db, self.name, self.loaded)
            self.c.load(self.db, self.name, self.missing if self.partly and not self.anew else ())
            wait_for(self.all_segments_are_served, f"the segments of {self.db}.{self.name}", 60)

    def all_segments_are_served(self):
        """Right after a load of single partitions 2.3.5 reports 100 % and for half a second answers without their rows."""
        flushed = self.c.call("GetPersistentSegmentInfo", pb.GetPersistentSegmentInfoRequest(collectionName=self.name), self.db).infos
        served = self.c.call("GetQuerySegmentInfo", pb.GetQuerySegmentInfoRequest(collectionName=self.name), self.db).infos
        return {s.segmentID for s in flushed if s.num_rows and s.state == common.SegmentState.Flushed} <= {s.segmentID for s in served}

    def __exit__(self, *_):
        if self.missing:
            self.c.release(self.db, self.name, self.missing if self.partly and not self.anew else ())
        if self.anew:
            self.c.load(self.db, self.name, self.loaded)
        for f in self.unindexed:
            self.c.call("DropIndex", pb.DropIndexRequest(collection_name=self.name, field_name=f, index_name=f"dump_{f}"), self.db)


def read_rows(c, db, name, schema, partition=None):
    """All rows of a partition by key: first the keys, then the rows range by range."""
    pk, partitions = primary_key(schema), [partition] if partition else []
    everything = f'{pk.name} >= ""' if pk.data_type == T.VarChar else f"{pk.name} >= {-(2**63) + 1}"
    keys = sorted(row[pk.name] for row in c.query(db, name, everything, [pk.name], partitions))
    fields = [f.name for f in schema.fields if not f.is_dynamic] + (["$meta"] if schema.enable_dynamic_field else [])
    rows = []
    for i in range(0, len(keys), PAGE):
        page = keys[i : i + PAGE]
        expr = f"{pk.name} >= {literal(page[0])} and {pk.name} <= {literal(page[-1])}"
        rows += c.query(db, name, expr, fields, partitions)
    rows.sort(key=lambda row: row[pk.name])
    if [row[pk.name] for row in rows] != keys:
        raise RuntimeError(f"{db}.{name}/{partition or ''} changed while it was read")
    return {str(row.pop(pk.name)): row for row in rows}


# ---- compare ----------------------------------------------------------------------------------------

PARTS = (
    "databases", "schema", "properties", "consistency", "shards", "num_partitions",
    "partitions", "indexes", "aliases", "load", "rows",
)  # fmt: skip


def compare(args):
    """Prints what differs; 1 if anything does."""
    ignored = set(filter(None, args.ignore.split(",")))
    if unknown := ignored - set(PARTS):
        sys.exit(f"--ignore does not know {', '.join(sorted(unknown))}")
    first, second = json.loads(args.file1.read_text()), json.loads(args.file2.read_text())
    renames = dict(r.split("=", 1) for r in args.rename)
    left = {renames.get(name, name): state for name, state in first["collections"].items()}
    right = second["collections"]
    lines = []
    if not renames and "databases" not in ignored and first["databases"] != second["databases"]:
        lines.append(f"databases: {first['databases']} != {second['databases']}")
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            lines.append(f"{name}: only in {args.file1 if name in left else args.file2}")
            continue
        for part in PARTS[1:]:
            if part not in ignored:
                differ = rows_differ if part == "rows" else values_differ
                lines += differ(f"{name}: {part}", left[name][part], right[name][part])
    print("\n".join(lines) or f"equal: {len(right)} collections, {sum(len(r) for c in right.values() for r in c['rows'].values())} rows")
    return 1 if lines else 0


def values_differ(path, a, b):
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        return [line for k in sorted(a.keys() | b.keys()) for line in values_differ(f"{path}.{k}", a.get(k), b.get(k))]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [line for i, (x, y) in enumerate(zip(a, b)) for line in values_differ(f"{path}[{i}]", x, y)]
    return [f"{path}: {short(a)} != {short(b)}"]


def rows_differ(path, a, b):
    lines = []
    for partition in sorted(a.keys() | b.keys()):
        x, y = a.get(partition, {}), b.get(partition, {})
        for what, keys in (
            ("missing", sorted(x.keys() - y.keys())),
            ("added", sorted(y.keys() - x.keys())),
            ("changed", sorted(k for k in x.keys() & y.keys() if x[k] != y[k])),
        ):
            if keys:
                lines.append(f"{path}: {partition}: {len(keys)} of {len(x)} rows {what}: {short(', '.join(keys[:5]))}")
            if keys and what == "changed":
                lines += [f"  {line}" for line in values_differ(f"{partition}[{keys[0]}]", x[keys[0]], y[keys[0]])[:5]]
    return lines


def short(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."


if __name__ == "__main__":
    main()
