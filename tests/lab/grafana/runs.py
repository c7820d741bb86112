"""Runs: how they ended, how long they take, what is at work; what they copy."""

from expressions import BACKUPS, INTERVAL, each, happened, idle, of_agent, of_policy
from panels import NONE_WANTED, OUTCOMES, Column, lines, ranks, states, table, texts

RUN = ("instance", "policy", "kind")
WORDS = texts(
    ("0", "never ran", "text"),
    *[(str(code + 1), name, color) for code, (name, color) in enumerate(OUTCOMES)],
    (str(len(OUTCOMES) + 1), "at work", "yellow"),
)


def ran(kinds, never):
    """How the newest run ended, as a number that `WORDS` knows."""
    newest = [of_policy("last_run_outcome", f'{kinds}, outcome="{name}"') for name, _ in OUTCOMES]
    known = [f"({series} == 1) + {code}" for code, series in enumerate(newest)]
    known.append(f"({of_policy('run_in_progress', kinds)} == 1) + {len(OUTCOMES)}")
    if never:
        known.append(f"{each(of_policy('last_run_outcome', kinds), *RUN)} * 0")
    return each(" or ".join(known), *RUN)


def over_time():
    """What was when."""
    return [
        states(
            "Backups",
            "For each policy, how its newest backup had ended, and when one was at work. Red is bad: a failure that no"
            " later run has healed. With many policies, choose some of them above.",
            [(ran(BACKUPS, never=True), "{{policy}} · {{instance}}")],
            WORDS,
            "no policy",
            24,
            height=10,
        ),
        states(
            "Prunes, verifications, drills and restores",
            "The same for what is no backup. Red is bad. What has no policy concerns all of them, or was "
            "started by hand.",
            [(ran('kind!="backup"', never=False), "{{kind}} {{policy}} · {{instance}}")],
            WORDS,
            "nothing but backups ran yet",
            24,
            height=7,
        ),
        lines(
            "Runs that ended",
            "Backups that ended in each step, by how. Red and orange are bad; skipped is not: another agent made that"
            " backup.",
            "short",
            [(happened("runs_total", "outcome", BACKUPS, of_policy), "{{outcome}}")],
            "no policy",
            8,
            bars=True,
            colors=OUTCOMES,
            calcs=("sum",),
        ),
        lines(
            "Requests for a run",
            "What asked for runs in each step: schedules (cron, catchup), failures (retry), messages (amqp), people"
            " (cli, api). Retries that go on are bad.",
            "short",
            [(happened("triggers_total", "source", shown=of_policy), "{{source}}")],
            "no policy",
            8,
            bars=True,
            calcs=("sum",),
        ),
        lines(
            "Slots without a run",
            "Slots of schedules that got no run: the run before was at work (overlap), the agent was down, the policy"
            " was disabled. Overlaps that go on are bad: leave more time between slots.",
            "short",
            [(happened("schedule_missed_total", "reason", shown=of_policy), "{{reason}}")],
            "no policy",
            8,
            bars=True,
            calcs=("sum",),
            colors=(("overlap", "orange"), ("down", "red"), ("disabled", "blue")),
        ),
    ]


def lengths():
    """How long runs take."""
    buckets = f"sum by (le, kind) ({of_policy('run_duration_seconds_bucket')})"
    slowest = each(of_policy("last_run_duration_seconds", BACKUPS))
    stages = each(of_policy("last_run_stage_duration_seconds"), "instance", "policy", "stage")
    return [
        lines(
            "Where the time goes",
            "How long each stage of the newest backups took, of all policies shown together. What grows is bad: with"
            " flush, Milvus is busier; with copy, there is more data, or storage is slower.",
            "s",
            [(f"sum by (stage) ({stages})", "{{stage}}")],
            "no backup of this agent yet",
            8,
            stacked=True,
        ),
        ranks(
            "Slowest backups",
            "The ten policies whose newest backup took longest. One that takes longer than the time between two slots"
            " is bad.",
            "dtdurations",
            [(f"topk(10, {slowest})", "{{policy}} · {{instance}}")],
            "no backup of this agent yet",
            8,
        ),
        ranks(
            "How long runs took",
            "Of all runs since the agents started: what half of them, and nine of ten, stayed below, as closely as"
            " the buckets of the histogram tell. Bad is what comes near the timeout of a policy, or the time between"
            " its slots.",
            "dtdurations",
            [
                (f"histogram_quantile(0.5, {buckets}) >= 0", "{{kind}}, half"),
                (f"histogram_quantile(0.9, {buckets}) >= 0", "{{kind}}, 9 of 10"),
            ],
            "no run ended yet",
            8,
        ),
    ]


def at_work():
    """What is going on now."""
    done, wanted = idle(of_policy("run_done_bytes"), *RUN), idle(of_policy("run_expected_bytes"), *RUN)
    since = idle(f"time() - {of_policy('run_started_timestamp_seconds')}", "instance")
    still = idle(f"time() - {of_policy('run_last_progress_timestamp_seconds')}", "instance")
    return [
        lines(
            "At work",
            "Runs that are at work, by kind. Some are, most of the time, where there are many policies; what does not"
            " end is bad.",
            "short",
            [(f"sum by (kind) ({each(of_policy('run_in_progress'), *RUN)})", "{{kind}}")],
            "no policy",
            8,
            stacked=True,
        ),
        lines(
            "How far they are",
            "Bytes that the runs at work have done in their stage, and those that the stage has, once it knows. A gap"
            " that does not close is bad. 0 while nothing is at work.",
            "bytes",
            [(f"sum({done})", "done"), (f"sum({wanted})", "to do")],
            "no policy",
            8,
            colors=(("done", "green"), ("to do", "blue")),
        ),
        lines(
            "Longest without a move",
            "How long the longest run at work has been at it, and how long ago one last moved on. A run that has not"
            " moved for 15 minutes is bad: it hangs, until stall_timeout ends it. 0 while nothing is at work.",
            "s",
            [(since, "at work · {{instance}}"), (still, "without a move · {{instance}}")],
            "no policy",
            8,
            thresholds=((None, "green"), (900, "red")),
        ),
    ]


def copied():
    """What backups hold and cost."""

    def figure(name):
        return each(of_policy(f"last_backup_{name}"))

    took = each(of_policy("last_run_duration_seconds", BACKUPS))
    return [
        lines(
            "New against reused",
            "Bytes of the newest complete backups of all policies shown: copied anew, or there from an earlier backup."
            " Much that is new every time is bad: Milvus rewrites its segments, or backups are kept too shortly.",
            "bytes",
            [(f"sum({figure('uploaded_bytes')})", "new"), (f"sum({figure('reused_bytes')})", "reused")],
            "no complete backup of this agent yet",
            8,
            stacked=True,
            colors=(("new", "orange"), ("reused", "green")),
        ),
        lines(
            "Rows",
            "Stored rows in the newest complete backup of each policy, deleted ones included. A fall by half that"
            " nobody meant is bad.",
            "short",
            [(figure("rows"), "{{policy}} · {{instance}}")],
            "no complete backup yet",
            8,
            calcs=("lastNotNull", "min"),
        ),
        lines(
            "Bytes through the agents",
            "What agents read and wrote. What an S3 server or a file system copies by itself is not among it. Long at "
            "transfer.max_bytes_per_second is bad, if backups then take too long.",
            "Bps",
            [(f"sum by (direction) (rate({of_agent('transferred_bytes_total')}[$__rate_interval]))", "{{direction}}")],
            "not scraped",
            8,
            colors=(("read", "blue"), ("written", "orange")),
        ),
        table(
            "Newest backups",
            "What the newest complete backup of each policy holds and cost; how many collections the newest backup,"
            " complete or partial, left out as the policy says (Left out), and how many it should have and has not"
            " (Failed). Anything but 0 under Failed is bad. Of slot is how long it took as a part of the time between"
            " two slots: from 100 % on, slots are missed.",
            [
                Column("Policy", figure("collections"), "policy", mappings=texts((None, "by hand", "text")), width=170),
                Column("All of it", figure("logical_bytes"), unit="bytes", none="nothing"),
                Column("New", figure("uploaded_bytes"), unit="bytes", none="not known"),
                Column("Reused", figure("reused_bytes"), unit="bytes", none="not known"),
                Column("Rows", figure("rows"), none="nothing"),
                Column("Segments", figure("segments"), none="nothing"),
                Column("Collections", figure("collections"), none="nothing"),
                Column("Left out", figure("collections_skipped"), none="not known"),
                Column("Failed", figure("collections_failed"), none="not known", thresholds=NONE_WANTED),
                Column("Took", took, unit="dtdurations", none="not known"),
                Column(
                    "Of slot",
                    f"{took} / {INTERVAL}",
                    unit="percentunit",
                    none="no schedule",
                    thresholds=((None, "text"), (0.5, "yellow"), (1, "red")),
                ),
                Column("Instance", label="instance"),
            ],
            "no complete backup yet",
            24,
            worst="All of it",
        ),
    ]
