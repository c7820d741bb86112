//! The words that label values may be, beside those of [`crate::model`].

use crate::model::words;

words! {
    /// What asked for a run.
    pub enum TriggerSource {
        /// The schedule.
        Cron = "cron",
        /// A slot that was missed.
        Catchup = "catchup",
        /// A run that failed before.
        Retry = "retry",
        /// Somebody at the command line.
        Cli = "cli",
        /// A request over HTTP or gRPC.
        Api = "api",
        /// A message of the broker.
        Amqp = "amqp",
    }
}

words! {
    /// Why a slot of a schedule got no run.
    pub enum MissReason {
        /// The one before was still at work.
        Overlap = "overlap",
        /// The agent was not running.
        Down = "down",
        /// The policy is paused.
        Disabled = "disabled",
    }
}

words! {
    /// Which storage is spoken to.
    pub enum Side {
        /// Milvus's own.
        Source = "source",
        /// Where backups live.
        Repository = "repository",
        /// Where a restore puts files for Milvus.
        Staging = "staging",
    }
}

words! {
    /// What a storage is asked for.
    pub enum StorageCall {
        /// The names of objects or folders.
        List = "list",
        /// One object's size.
        Head = "head",
        /// One object's bytes.
        Get = "get",
        /// To write an object.
        Put = "put",
        /// To copy one by itself.
        Copy = "copy",
        /// To delete a batch, or an upload that was never finished.
        Delete = "delete",
        /// To make durable what was written.
        Sync = "sync",
        /// How full it is.
        Space = "space",
    }
}

words! {
    /// How a storage answered, in the classes of HTTP, which folders are given too.
    pub enum CodeClass {
        /// As asked.
        Success = "2xx",
        /// It refused: absent, present, forbidden, impossible.
        Refused = "4xx",
        /// It failed, or did not answer.
        Failed = "5xx",
    }
}

words! {
    /// Which way bytes went through the agent.
    pub enum Direction {
        /// From a storage.
        Read = "read",
        /// To a storage.
        Written = "written",
    }
}

words! {
    /// What bytes of the repository are there for.
    pub enum RepositoryClass {
        /// A backup names them.
        Referenced = "referenced",
        /// Only deleted backups do.
        Tombstoned = "tombstoned",
    }
}

words! {
    /// What a lease is for.
    pub enum LeaseScope {
        /// To delete backups, or to bring them back.
        Prune = "prune",
        /// To delete files that no backup has.
        Sweep = "sweep",
        /// To make a backup.
        Run = "run",
        /// To restore one.
        Restore = "restore",
        /// To restore one under generated names, compare and drop it.
        Drill = "drill",
    }
}

words! {
    /// How much of Milvus a pause of its garbage collection covers.
    pub enum GcScope {
        /// All of it.
        Cluster = "cluster",
        /// A single collection.
        Collection = "collection",
    }
}

words! {
    /// What Milvus is asked about its garbage collection.
    pub enum GcCall {
        /// To begin a pause.
        Pause = "pause",
        /// To go on pausing.
        Renew = "renew",
        /// To end it.
        Resume = "resume",
    }
}

words! {
    /// What came of looking whether something is right.
    pub enum Check {
        /// It is.
        Passed = "passed",
        /// It is not.
        Failed = "failed",
    }
}

words! {
    /// How deep a verification looked.
    pub enum VerifyLevel {
        /// Every file is there with its size.
        Size = "size",
        /// Every byte was read.
        Content = "content",
    }
}

words! {
    /// Why something could not be deleted.
    pub enum PruneFailure {
        /// The store failed.
        Failed = "failed",
        /// It is not allowed to this agent, or to nobody for now (object lock).
        NotAuthorised = "not_authorised",
        /// The store did not answer.
        Unreachable = "unreachable",
    }
}

words! {
    /// What a verification found of a file.
    pub enum VerifyResult {
        /// It is as it was written.
        Ok = "ok",
        /// It is not there.
        Missing = "missing",
        /// It has another size.
        Size = "size",
        /// It has other bytes.
        Checksum = "checksum",
    }
}

words! {
    /// What became of a message.
    pub enum MessageResult {
        /// Its request will be done, by a job of its own or one that does for several.
        Accepted = "accepted",
        /// Its request was known already.
        Duplicate = "duplicate",
        /// It is no request for this agent, and went to the dead-letter exchange.
        Invalid = "invalid",
        /// It came after its time.
        Expired = "expired",
        /// Its policy is paused.
        Paused = "paused",
    }
}

words! {
    /// What became of an event.
    pub enum EventResult {
        /// The broker has handed it to a queue.
        Published = "published",
        /// No queue wanted it.
        Unroutable = "unroutable",
        /// It was given up, as too many were waiting.
        Dropped = "dropped",
    }
}
