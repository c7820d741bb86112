"""The agents themselves: what they talk to, what they hold, what they need."""

from expressions import AGENT, each, happened, moment, named, of_agent, ours, unpaused
from panels import FROM_NOW, Column, lines, states, table, texts

YES_NO = texts(("0", "no", "red"), ("1", "yes", "green"))


def process(name):
    """Of the agent's own process; a node_exporter that shows a textfile tells of itself."""
    return each(ours(f"process_{name}"), "instance")


def storages():
    """Calls, and what went wrong with them."""
    every = of_agent("storage_requests_total")
    errors = of_agent("storage_requests_total", 'code_class="5xx"')
    none = f"sum by (side) (rate({every}[$__rate_interval])) * 0"
    return [
        lines(
            "Calls of storages",
            "Calls of Milvus's storage (source), the repository and the staging folder or bucket. A step up without"
            " more backups is bad on S3: it costs money.",
            "reqps",
            [(f"sum by (side, op) (rate({every}[$__rate_interval]))", "{{op}} · {{side}}")],
            "nothing was asked yet",
            12,
            stacked=True,
        ),
        lines(
            "Storage errors",
            "Calls that failed on the side of the storage (5xx), timeouts among them. Each is tried again; what goes on"
            " is bad. Not found and refused conditions (4xx) are usual and not shown.",
            "reqps",
            [(f"sum by (side) (rate({errors}[$__rate_interval])) or {none}", "{{side}}")],
            "nothing was asked yet",
            12,
            colors=(("source", "orange"), ("repository", "red"), ("staging", "yellow")),
        ),
    ]


def holds():
    """Leases, and Milvus's garbage collection."""
    since = unpaused(f"time() - {of_agent('gc_pause_started_timestamp_seconds')}")
    return [
        lines(
            "Leases held",
            "Leases of the repository that agents hold, by what for. One that stays for many hours is bad: see Runs, at"
            " work.",
            "short",
            [(f"sum by (scope) ({each(of_agent('lease_held'), 'instance', 'scope')})", "{{scope}}")],
            "not scraped",
            6,
            stacked=True,
        ),
        lines(
            "Leases taken over",
            "Leases that were taken from a holder that had died, in each step. Bad where no agent was killed: it lost"
            " its store for too long.",
            "short",
            [(happened("lease_takeovers_total", "instance"), "{{instance}}")],
            "not scraped",
            6,
            bars=True,
            calcs=("sum",),
        ),
        lines(
            "Garbage collection paused",
            "How long Milvus's garbage collection has been paused for a backup; 0 while it is not, or where no pause is"
            " configured. Above four hours is bad: Milvus keeps what it would delete.",
            "s",
            [(f"({since}) * on (instance) ({unpaused(of_agent('gc_pause_active'))})", "{{instance}}")],
            "not scraped",
            6,
            thresholds=((None, "green"), (4 * 3600, "red")),
        ),
        lines(
            "Pauses that failed",
            "Calls to pause garbage collection, to renew a pause or to end it that Milvus did not do, in each step. Bad"
            " while it goes on: files may vanish under a backup, which then plans anew.",
            "short",
            [(happened("gc_pause_failures_total", "op"), "{{op}}")],
            "not scraped",
            6,
            bars=True,
            calcs=("sum",),
        ),
    ]


def broker():
    """RabbitMQ, where there is one."""
    none = "not configured: no amqp.url"
    return [
        states(
            "Connection",
            "Whether each agent is connected to the broker, takes messages, and may publish. No is bad for more than a"
            " few minutes: requests wait in the queue, events in the outbox. Schedules go on without it.",
            [
                (each(of_agent("amqp_connected"), "instance"), "connected · {{instance}}"),
                (each(of_agent("amqp_consuming"), "instance"), "takes messages · {{instance}}"),
                (f"1 - {each(of_agent('amqp_publishing_blocked'), 'instance')}", "may publish · {{instance}}"),
            ],
            YES_NO,
            none,
            12,
        ),
        lines(
            "Outbox",
            "Events and answers that the broker has not taken yet. What only grows is bad: in the end the oldest are"
            " dropped.",
            "short",
            [(each(of_agent("amqp_outbox_events"), "instance"), "{{instance}}")],
            none,
            6,
        ),
        lines(
            "Reconnects",
            "Connections that were lost and came back, in each step. A flapping one is bad.",
            "short",
            [(happened("amqp_reconnects_total", "instance"), "{{instance}}")],
            none,
            6,
            bars=True,
            calcs=("sum",),
        ),
        lines(
            "Messages",
            "Messages that asked for a backup, in each step, by what became of them. Invalid and expired ones are bad"
            " for those who sent them: they lie in the dead-letter queue.",
            "short",
            [(happened("amqp_messages_total", "result"), "{{result}}")],
            none,
            12,
            bars=True,
            calcs=("sum",),
            colors=(
                ("accepted", "green"),
                ("duplicate", "blue"),
                ("invalid", "red"),
                ("expired", "orange"),
                ("paused", "yellow"),
            ),
        ),
        lines(
            "Events",
            "Events and answers, in each step. Unroutable: no queue wanted them. Dropped is bad: too many were"
            " waiting.",
            "short",
            [(happened("amqp_events_total", "result"), "{{result}}")],
            none,
            12,
            bars=True,
            calcs=("sum",),
            colors=(("published", "green"), ("unroutable", "yellow"), ("dropped", "red")),
        ),
    ]


def themselves():
    """Which agents there are, and how they fare."""
    reload = f"{each(of_agent('config_last_reload_success'), 'instance')} or {each(of_agent('build_info'), 'instance')}"
    checks = each(of_agent("preflight_ok"), "instance", "check")
    return [
        table(
            "Agents",
            "Every agent that is scraped: which version, for which Milvus, since when. Configuration says whether the"
            " newest one was taken over; no is bad: the agent goes on with the old one, and its log says why.",
            [
                Column("Instance", named(each(of_agent("build_info"), "instance", "version", "revision")), "instance"),
                Column("Cluster", label="cluster", none="not told"),
                Column("Version", label="version"),
                Column("Revision", label="revision"),
                Column("Up since", moment(process("start_time_seconds")), unit=FROM_NOW, none="not told"),
                Column(
                    "Configuration", reload, mappings=texts(("0", "the old one", "red"), ("1", "as it is", "green"))
                ),
                Column(
                    "Catalog read",
                    moment(each(of_agent("catalog_refresh_timestamp_seconds"), "instance")),
                    unit=FROM_NOW,
                    none="not yet",
                ),
            ],
            "not scraped",
            12,
        ),
        states(
            "What a backup needs",
            "Whether each thing that a backup needs was as it should be when the agent last looked, which it does every"
            " ten minutes. No is bad: the next backup will fail. check, on that host, says why.",
            [(checks, "{{check}} · {{instance}}")],
            YES_NO,
            "not looked yet",
            12,
        ),
        lines(
            "Memory",
            "Resident memory of each agent's process. It is bounded: what grows for days is a leak, and bad.",
            "bytes",
            [(process("resident_memory_bytes"), "{{instance}}")],
            "not told",
            8,
        ),
        lines(
            "Processor",
            "Processors that each agent keeps busy: 1 is one of them, all the time. Checksums take most of it. Busy"
            " while nothing is at work is bad.",
            "short",
            [
                (
                    each(
                        f"rate(process_cpu_seconds_total{{{AGENT}}}[$__rate_interval]) and on (job, instance)"
                        f" {of_agent('build_info')}",
                        "instance",
                    ),
                    "{{instance}}",
                )
            ],
            "not told",
            8,
        ),
        lines(
            "Open files",
            "File descriptors of each agent as a part of what it may open. Near 100 % is bad: the next file or"
            " connection fails.",
            "percentunit",
            [(f"{process('open_fds')} / {process('max_fds')}", "{{instance}}")],
            "not told",
            8,
            thresholds=((None, "green"), (0.8, "red")),
        ),
    ]
