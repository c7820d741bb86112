//! One suite for every store: each clause of the contract, each in a folder of its own.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{
    ByteStream, CopySource, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStream, PutMode,
    StoreError, StoreErrorKind, StoreOp, StoreResult,
};

const RACERS: usize = 16;
const LARGE_BYTES: usize = 3 * 1024 * 1024;

/// Panics at the first clause that the store breaks. Writes under `conformance/` only, and
/// needs a runtime with several threads to make writers race.
pub async fn conformance(store: Arc<dyn ObjectStore>) {
    let case = |name| Case {
        store: Arc::clone(&store),
        folder: folder("conformance").join(name),
    };

    an_object_is_read_as_it_was_written(case("read")).await;
    any_valid_key_names_an_object(case("keys")).await;
    an_absent_object_is_not_found(case("absent")).await;
    if_absent_never_replaces(case("if_absent")).await;
    one_racing_writer_wins(case("race")).await;
    overwriting_replaces_the_whole_object(case("overwrite")).await;
    a_reader_keeps_the_object_it_opened(case("reader")).await;
    a_stream_is_written_once(case("stream")).await;
    a_stream_of_another_length_is_refused(case("length")).await;
    a_stream_that_fails_leaves_nothing(case("broken")).await;
    a_dropped_stream_leaves_nothing(case("dropped")).await;
    a_list_is_in_key_order(case("order")).await;
    a_prefix_is_whole_segments(case("prefix")).await;
    a_list_survives_writes_and_deletes(case("while")).await;
    folders_are_named_once_and_sorted(case("folders")).await;
    deleting_leaves_the_others(case("delete")).await;
    writers_and_deleters_share_a_folder(case("shared")).await;
    a_copy_is_the_same_object(case("copy")).await;

    store.sync().await.expect("a sync succeeds");
    store
        .free_bytes()
        .await
        .expect("free space is known or not");
}

/// A clause's own corner of the store.
struct Case {
    store: Arc<dyn ObjectStore>,
    folder: KeyPrefix,
}

impl Case {
    fn key(&self, name: &str) -> ObjectKey {
        self.folder.key(name)
    }

    async fn try_put(&self, name: &str, body: &str, mode: PutMode) -> StoreResult<ObjectMeta> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.store.put(&self.key(name), body, mode).await
    }

    async fn put(&self, name: &str, body: &str) -> ObjectMeta {
        self.try_put(name, body, PutMode::Overwrite)
            .await
            .expect("an object is written")
    }

    async fn read(&self, name: &str) -> Bytes {
        self.store
            .get_bytes(&self.key(name))
            .await
            .expect("an object is read")
    }

    async fn head_kind(&self, name: &str) -> Option<StoreErrorKind> {
        self.store
            .head(&self.key(name))
            .await
            .err()
            .map(|error| error.kind())
    }

    /// The keys under `prefix`, without the case's folder.
    async fn names(&self, prefix: &KeyPrefix) -> Vec<String> {
        let objects = self
            .store
            .list_all(prefix)
            .await
            .expect("a folder is listed");
        let name = |object: &ObjectMeta| self.folder.strip(&object.key).map(str::to_owned);
        objects
            .iter()
            .map(|object| name(object).expect("a list stays in its folder"))
            .collect()
    }

    async fn stream(&self, name: &str, size: u64, body: ByteStream) -> StoreResult<ObjectMeta> {
        let key = self.key("source");
        let meta = ObjectMeta {
            key,
            size,
            etag: None,
            modified: Timestamp::UNIX_EPOCH,
        };
        self.store
            .put_stream(&self.key(name), size, ObjectStream { meta, body })
            .await
    }

    async fn holds_nothing(&self, why: &str) {
        assert_eq!(self.names(&self.folder).await, [""; 0], "{why} is listed");
    }
}

async fn an_object_is_read_as_it_was_written(case: Case) {
    let large: String = "0123456789abcdef".repeat(LARGE_BYTES / 16);
    for (name, body) in [("empty", ""), ("small", "x"), ("large", &large)] {
        let written = case.put(name, body).await;
        assert_eq!(written.key, case.key(name));
        assert_eq!(written.size, body.len() as u64, "{name} has another size");
        let found = case
            .store
            .head(&written.key)
            .await
            .expect("an object is looked up");
        assert_eq!(found, written, "a head of {name} differs from its put");
        let opened = case
            .store
            .get(&written.key)
            .await
            .expect("an object is opened");
        assert_eq!(opened.meta, written, "a get of {name} differs from its put");
        assert!(case.read(name).await == body, "{name} has other bytes");
        let listed = case
            .store
            .list_all(&case.folder)
            .await
            .expect("a folder is listed");
        assert!(
            listed.contains(&written),
            "a list of {name} differs from its put"
        );
    }
}

async fn any_valid_key_names_an_object(case: Case) {
    let deep = vec!["s"; 40].join("/");
    for name in [
        deep.as_str(),
        "größe/데이터",
        "white space",
        "a?b*c",
        "%2F",
        "a:b",
        "..a/.b",
    ] {
        case.put(name, name).await;
        assert!(case.read(name).await == name, "{name} has other bytes");
    }
    assert_eq!(case.names(&case.folder).await.len(), 7);
}

async fn an_absent_object_is_not_found(case: Case) {
    case.put("file", "x").await;
    case.put("folder/file", "x").await;
    for name in ["absent", "absent/deep/down", "folder", "file/below"] {
        assert_eq!(
            case.head_kind(name).await,
            Some(StoreErrorKind::NotFound),
            "head {name}"
        );
        let got = case.store.get(&case.key(name)).await.map(drop);
        assert_eq!(kind(got), Some(StoreErrorKind::NotFound), "get {name}");
        let found = case.store.find_bytes(&case.key(name)).await;
        assert_eq!(found.expect("absence is no error"), None);
    }
    let listed = case.names(&case.folder.join("absent")).await;
    assert_eq!(listed, [""; 0], "an absent folder is not empty");
    let folders = case.store.list_folders(&case.folder.join("absent")).await;
    assert_eq!(folders.expect("an absent folder lists as empty"), [""; 0]);
}

async fn if_absent_never_replaces(case: Case) {
    case.try_put("a", "first", PutMode::IfAbsent)
        .await
        .expect("an absent key is written");
    let second = case.try_put("a", "second", PutMode::IfAbsent).await;
    assert_eq!(kind(second), Some(StoreErrorKind::AlreadyExists));
    assert_eq!(case.read("a").await, "first");
}

async fn one_racing_writer_wins(case: Case) {
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (store, key) = (Arc::clone(&case.store), case.key("new/folder/prize"));
        racers.spawn(async move {
            let body = Bytes::from(racer.to_string());
            (racer, store.put(&key, body, PutMode::IfAbsent).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(done) = racers.join_next().await {
        match done.expect("no racer panics") {
            (racer, Ok(_)) => winners.push(racer),
            (_, Err(error)) => assert_eq!(error.kind(), StoreErrorKind::AlreadyExists),
        }
    }
    assert_eq!(
        winners.len(),
        1,
        "racers {winners:?} all believe that they won"
    );
    assert!(case.read("new/folder/prize").await == winners[0].to_string());
}

async fn overwriting_replaces_the_whole_object(case: Case) {
    let long = case.put("a", "a long first text").await;
    let short = case.put("a", "short").await;
    assert_eq!(short.size, 5);
    assert!(
        long.etag.is_none() || long.etag != short.etag,
        "other bytes, same fingerprint"
    );
    assert_eq!(case.read("a").await, "short");
    assert_eq!(case.names(&case.folder).await, ["a"]);
}

async fn a_reader_keeps_the_object_it_opened(case: Case) {
    let old = "old".repeat(LARGE_BYTES / 3);
    case.put("a", &old).await;
    let mut opened = case
        .store
        .get(&case.key("a"))
        .await
        .expect("an object is opened");
    let mut read = opened
        .body
        .try_next()
        .await
        .expect("a chunk")
        .expect("bytes")
        .to_vec();
    case.put("a", "new").await;
    while let Some(chunk) = opened
        .body
        .try_next()
        .await
        .expect("the old object is still read")
    {
        read.extend_from_slice(&chunk);
    }
    assert!(read == old.as_bytes(), "a reader saw two objects in one");
}

async fn a_stream_is_written_once(case: Case) {
    let chunk = Bytes::from(vec![7; LARGE_BYTES / 48]);
    let large = stream::iter(vec![chunk; 48]).map(Ok).boxed();
    let written = case
        .stream("large", LARGE_BYTES as u64, large)
        .await
        .expect("a stream");
    assert_eq!(written.size, LARGE_BYTES as u64);
    assert_eq!(
        case.store.head(&written.key).await.expect("a head"),
        written
    );
    assert!(case.read("large").await == vec![7; LARGE_BYTES]);
    case.stream("empty", 0, chunks(&[]))
        .await
        .expect("an empty stream is written");
    assert_eq!(case.read("empty").await, "");

    let again = case.stream("empty", 1, chunks(&["x"])).await;
    assert_eq!(kind(again), Some(StoreErrorKind::AlreadyExists));
    assert_eq!(case.read("empty").await, "");
    case.store.sync().await.expect("streams are made durable");
    assert_eq!(case.names(&case.folder).await, ["empty", "large"]);
}

async fn a_stream_of_another_length_is_refused(case: Case) {
    for (size, body) in [
        (4, &["abc"][..]),
        (2, &["abc"]),
        (0, &["a"]),
        (1, &[]),
        (4, &["ab", "cde"]),
    ] {
        let written = case.stream("a", size, chunks(body)).await;
        assert!(written.is_err(), "{body:?} passed for {size} bytes");
        case.holds_nothing("a stream of another length").await;
    }
    case.stream("a", 3, chunks(&["abc"]))
        .await
        .expect("the key is still free");
}

async fn a_stream_that_fails_leaves_nothing(case: Case) {
    let cause = || StoreError::new(StoreOp::Get, "source", StoreErrorKind::Transient, "reset");
    let body = stream::iter([Ok(Bytes::from(vec![1; LARGE_BYTES])), Err(cause())]).boxed();
    let written = case.stream("a", LARGE_BYTES as u64 + 1, body).await;
    assert_eq!(
        kind(written),
        Some(StoreErrorKind::Transient),
        "the cause is lost"
    );
    case.holds_nothing("half a stream").await;
}

async fn a_dropped_stream_leaves_nothing(case: Case) {
    let asked_for_more = Arc::new(Notify::new());
    let notify = Arc::clone(&asked_for_more);
    let first = stream::iter([Ok(Bytes::from(vec![1; LARGE_BYTES]))]);
    let never = stream::poll_fn(move |_| {
        notify.notify_one();
        std::task::Poll::Pending
    });
    tokio::select! {
        written = case.stream("a", LARGE_BYTES as u64, first.chain(never).boxed()) => {
            panic!("a stream without an end was written: {written:?}")
        }
        () = asked_for_more.notified() => {
            case.holds_nothing("an object that is being written").await;
            assert_eq!(case.head_kind("a").await, Some(StoreErrorKind::NotFound));
        }
    }
    case.holds_nothing("an object whose writer went away").await;
}

async fn a_list_is_in_key_order(case: Case) {
    let sorted = [
        "a-b", "a.b", "a/b", "a/c.d/e", "a/c/d", "a0", "b/0", "ä", "日/本",
    ];
    for name in sorted.iter().rev() {
        case.put(name, name).await;
    }
    assert_eq!(case.names(&case.folder).await, sorted);
    for number in 0..120 {
        case.put(&format!("many/{}/{number}", number % 7), "").await;
    }
    let whole = case
        .store
        .list_all(&KeyPrefix::root())
        .await
        .expect("the store is listed");
    assert!(
        whole.is_sorted_by(|one, other| one.key < other.key),
        "the store is out of order"
    );
    let here = whole
        .iter()
        .filter(|object| case.folder.strip(&object.key).is_some());
    assert_eq!(here.count(), sorted.len() + 120);
}

async fn a_prefix_is_whole_segments(case: Case) {
    for name in ["n_1/x", "n_1/y/z", "n_10/x", "n_1.x", "n_1-"] {
        case.put(name, "").await;
    }
    assert_eq!(
        case.names(&case.folder.join("n_1")).await,
        ["n_1/x", "n_1/y/z"]
    );
    assert_eq!(case.names(&case.folder.join("n_1/x")).await, [""; 0]);
    assert_eq!(case.names(&case.folder.join("n")).await, [""; 0]);
}

async fn a_list_survives_writes_and_deletes(case: Case) {
    for number in 0..40 {
        case.put(&format!("{number:02}/x"), "").await;
    }
    let mut list: BoxStream<'_, _> = case.store.list(&case.folder);
    let mut seen = vec![
        list.try_next()
            .await
            .expect("an object")
            .expect("an object")
            .key,
    ];
    case.put("00/a", "").await;
    case.put("99/new", "").await;
    let gone = [case.key("20/x"), case.key("39/x")];
    case.store.delete(&gone).await.expect("objects are deleted");
    while let Some(object) = list.try_next().await.expect("a list goes on") {
        seen.push(object.key);
    }
    assert!(
        seen.is_sorted_by(|one, other| one < other),
        "out of order or twice: {seen:?}"
    );
    for number in (0..40).filter(|number| ![20, 39].contains(number)) {
        let key = case.key(&format!("{number:02}/x"));
        assert!(
            seen.contains(&key),
            "{key} was there all the time and is not listed"
        );
    }
    assert!(
        case.names(&case.folder)
            .await
            .contains(&"99/new".to_owned())
    );
}

async fn folders_are_named_once_and_sorted(case: Case) {
    for name in ["b/1", "b/2", "a.x/1", "a/1/2/3", "file", "ü/1"] {
        case.put(name, "").await;
    }
    let folders = || async {
        case.store
            .list_folders(&case.folder)
            .await
            .expect("folders")
    };
    assert_eq!(folders().await, ["a", "a.x", "b", "ü"]);
    let deeper = case
        .store
        .list_folders(&case.folder.join("a"))
        .await
        .expect("folders");
    assert_eq!(deeper, ["1"]);
    case.store
        .delete(&[case.key("a/1/2/3"), case.key("b/1")])
        .await
        .expect("deletes");
    assert_eq!(folders().await, ["a.x", "b", "ü"]);
}

async fn deleting_leaves_the_others(case: Case) {
    for name in ["a/1", "a/2", "a/b/3"] {
        case.put(name, "").await;
    }
    let keys =
        ["a/1", "a/b/3", "absent", "absent/too", "a/1/below", "a"].map(|name| case.key(name));
    let report = case.store.delete(&keys).await.expect("a batch is deleted");
    assert_eq!(report.deleted, keys.len(), "absent keys count");
    assert!(report.failed.is_empty());
    assert_eq!(case.names(&case.folder).await, ["a/2"]);
    let nothing = case
        .store
        .delete(&[])
        .await
        .expect("an empty batch is deleted");
    assert_eq!(nothing.deleted, 0);
    case.try_put("a/1", "again", PutMode::IfAbsent)
        .await
        .expect("a deleted key is free");
}

async fn writers_and_deleters_share_a_folder(case: Case) {
    let mut racers = JoinSet::new();
    for racer in 0..4 {
        let (store, key) = (Arc::clone(&case.store), case.key(&format!("a/b/{racer}")));
        racers.spawn(async move {
            for _ in 0..25 {
                store
                    .put(&key, Bytes::new(), PutMode::IfAbsent)
                    .await
                    .expect("a put succeeds");
                store.head(&key).await.expect("nobody else deletes it");
                let deleted = store
                    .delete(std::slice::from_ref(&key))
                    .await
                    .expect("a delete");
                assert!(deleted.failed.is_empty());
            }
        });
    }
    racers.join_all().await;
    case.holds_nothing("a deleted object").await;
}

async fn a_copy_is_the_same_object(case: Case) {
    let source = case.put("source", "content").await;
    let to = case.key("new/copy");
    let Some(from) = case.store.copy_source(&source.key) else {
        let nowhere = CopySource::File("/nonexistent/file".into());
        let copied = case.store.copy_from(&nowhere, &to).await;
        assert_eq!(kind(copied), Some(StoreErrorKind::Unsupported));
        return;
    };
    let copy = case
        .store
        .copy_from(&from, &to)
        .await
        .expect("an object is copied");
    assert_eq!((&copy.key, copy.size), (&to, source.size));
    assert_eq!(
        case.store.head(&to).await.expect("a copy is looked up"),
        copy
    );
    let again = case.store.copy_from(&from, &to).await;
    assert_eq!(kind(again), Some(StoreErrorKind::AlreadyExists));
    case.store.sync().await.expect("copies are made durable");

    case.put("source", "other content").await;
    case.store
        .delete(&[source.key])
        .await
        .expect("a source is deleted");
    assert_eq!(
        case.read("new/copy").await,
        "content",
        "a copy changes with its source"
    );
    let vanished = case.store.copy_from(&from, &case.key("late")).await;
    assert_eq!(kind(vanished), Some(StoreErrorKind::NotFound));
    assert_eq!(case.names(&case.folder).await, ["new/copy"]);
}

fn kind<T>(result: StoreResult<T>) -> Option<StoreErrorKind> {
    result.err().map(|error| error.kind())
}

fn folder(name: &str) -> KeyPrefix {
    KeyPrefix::root().join(name)
}

fn chunks(parts: &[&str]) -> ByteStream {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Ok(Bytes::copy_from_slice(part.as_bytes())))
        .collect();
    stream::iter(parts).boxed()
}
