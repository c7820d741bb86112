"""What the repository holds, and whether it comes back: retention, verification, drills."""

from expressions import (
    DRILL,
    DRILL_AGE,
    DRILL_LIMIT,
    GOOD,
    MIN_KEEP,
    READ,
    READ_AGE,
    READ_LIMIT,
    each,
    happened,
    moment,
    of_agent,
    of_policy,
    once,
)
from panels import FROM_NOW, OF_LIMIT, Column, lines, table, texts, tile

STATES = (
    ("complete", "green"),
    ("suspect", "orange"),
    ("partial", "yellow"),
    ("failed", "red"),
    ("running", "blue"),
    ("tombstoned", "purple"),
    ("damaged", "dark-red"),
)
UNFINISHED = 'state=~"partial|failed"'
DOUBTFUL = 'state=~"suspect|damaged"'
BY_HAND = texts((None, "by hand", "text"))
NEVER = texts(("0", "never", "red"))


def holdings():
    """How much there is, and room for more."""
    free = of_agent("repository_free_bytes")
    shrinking = f"clamp_min(-deriv({free}[$__range]), 1)"
    return [
        lines(
            "Size",
            "Bytes that the backups of each cluster refer to, and those that wait for prune after a delete"
            " (tombstoned), as last counted: once an hour. What only grows is bad, if data does not: see the prunes"
            " below.",
            "bytes",
            [(once(of_agent("repository_bytes"), "class"), "{{class}} · {{cluster}}")],
            "not counted yet",
            8,
            stacked=True,
        ),
        lines(
            "Free space",
            "Free bytes in the file system of each repository, as each agent sees it, and what has to stay free of it"
            " (repository.local.min_free). Where both meet is bad: a backup needs room for what it copies and 10 %"
            " besides, and is refused otherwise.",
            "bytes",
            [
                (each(free, "instance"), "free · {{instance}}"),
                (each(of_agent("repository_min_free_bytes"), "instance"), "has to stay · {{instance}}"),
            ],
            "a bucket does not tell",
            8,
            calcs=("lastNotNull", "min"),
        ),
        tile(
            "Full in",
            f"min({free} / {shrinking})",
            "When the first repository is full, if free space goes on to shrink as in the time shown. Red, below a"
            " week, is bad; yellow is below a month; hundreds of years mean that nothing shrinks. The time shown should"
            " hold a prune.",
            "a bucket does not tell",
            ((None, "red"), (7 * 86400, "yellow"), (30 * 86400, "green")),
            unit="dtdurations",
            width=4,
            height=8,
        ),
        tile(
            "Catalog read",
            f"max(time() - {of_agent('catalog_refresh_timestamp_seconds')})",
            "How long ago the agent that is furthest behind last read what the repository holds; it does so every five"
            " minutes. Longer than half an hour is bad: the store does not answer, and what is told of backups is as"
            " old.",
            "not read yet",
            ((None, "green"), (900, "yellow"), (1800, "red")),
            unit="dtdurations",
            width=4,
            height=8,
        ),
        lines(
            "Backups",
            "Backups in the repository, by state. Suspect and damaged ones are bad: they do not count as backups.",
            "short",
            [(f"sum by (state) ({once(of_policy('backups'), 'policy', 'state')})", "{{state}}")],
            "not read yet",
            12,
            stacked=True,
            colors=STATES,
            calcs=("lastNotNull",),
        ),
        table(
            "What is kept",
            "For each policy, complete backups against those that retention always keeps, and what else there is."
            " Pinned ones stay until somebody unpins them. Suspect ones, damaged ones among them, and backups in which"
            " a verification found damage are bad.",
            [
                Column("Policy", each(of_policy("pinned_backups")), "policy", mappings=BY_HAND, width=170),
                Column("Complete", GOOD, thresholds=((None, "red"), (1, "text"))),
                Column("Kept at least", MIN_KEEP, none="no rule"),
                Column("Pinned", each(of_policy("pinned_backups"))),
                Column("Partial or failed", f"sum by (instance, policy) ({of_policy('backups', UNFINISHED)})"),
                Column(
                    "Suspect",
                    f"sum by (instance, policy) ({of_policy('backups', DOUBTFUL)})",
                    thresholds=((None, "text"), (1, "red")),
                ),
                Column("Damage found", each(of_policy("damaged_backups")), thresholds=((None, "text"), (1, "red"))),
                Column("Instance", label="instance"),
            ],
            "not read yet",
            12,
            worst="Damage found",
        ),
    ]


def pruning():
    """What retention does."""
    gone = f"increase({of_agent('prune_deleted_backups_total')}[$__rate_interval])"
    return [
        lines(
            "Backups let go",
            "Backups that prunes removed for good in each step. None over weeks is bad where retention has rules.",
            "short",
            [(f"round(sum({gone}))", "backups")],
            "not scraped",
            6,
            bars=True,
            calcs=("sum",),
        ),
        lines(
            "Bytes let go",
            "Bytes of files that prunes deleted in each step. None over weeks is bad where backups were let go: their"
            " files stay.",
            "bytes",
            [(f"sum(increase({of_agent('prune_deleted_bytes_total')}[$__rate_interval]))", "bytes")],
            "not scraped",
            6,
            bars=True,
            calcs=("sum",),
        ),
        lines(
            "Prunes refused",
            "Prunes that a guard stopped, by the guard. Bad while it goes on: the repository only grows. prune says"
            " what it saw, and --allow overrides it.",
            "short",
            [(happened("prune_refused_total", "reason"), "{{reason}}")],
            "not scraped",
            6,
            bars=True,
            calcs=("sum",),
        ),
        lines(
            "What could not be deleted",
            "Objects that prunes could not delete, by why. Not authorised is bad until somebody grants it; the next"
            " prune tries again.",
            "short",
            [(happened("prune_errors_total", "reason"), "{{reason}}")],
            "not scraped",
            6,
            bars=True,
            calcs=("sum",),
        ),
    ]


def verification():
    """What was read again."""

    def verified(level):
        return each(of_policy("last_verified_timestamp_seconds", f'level="{level}"'))

    return [
        lines(
            "Files read",
            "Files that verifications read in each step, by what they found. Missing, size and checksum are damage, and"
            " bad.",
            "short",
            [(happened("verify_objects_total", "result"), "{{result}}")],
            "not scraped",
            10,
            bars=True,
            calcs=("sum",),
            colors=(("ok", "green"), ("missing", "red"), ("size", "red"), ("checksum", "red")),
        ),
        table(
            "Found good",
            "When a verification last found a backup of each policy good: by the sizes of its files, by every byte of"
            " them. Never by content is bad: damage would be noticed by a restore.",
            [
                Column("Policy", each(of_policy("pinned_backups")), "policy", mappings=BY_HAND, width=170),
                Column("By content", moment(verified("content")), unit=FROM_NOW, none="never"),
                Column("By size", moment(verified("size")), unit=FROM_NOW, none="never"),
                Column("Instance", label="instance"),
            ],
            "not read yet",
            14,
        ),
    ]


def proof():
    """What is verified and restored on a schedule, where a policy wants that."""
    return [
        table(
            "Drills",
            "Policies that want drills: when one last succeeded, or else since when they are wanted, against how old"
            " that may be, and how long it took to have the collections back (RTO). Red under Of limit is bad: that"
            " these backups come back is only believed.",
            [
                Column("Policy", f"{DRILL_AGE} / {DRILL_LIMIT}", "policy", width=170),
                Column("Last success", moment(DRILL), unit=FROM_NOW, mappings=NEVER),
                Column("Of limit", f"{DRILL_AGE} / {DRILL_LIMIT}", unit="percentunit", thresholds=OF_LIMIT),
                Column("Limit", DRILL_LIMIT, unit="dtdurations"),
                Column("RTO", each(of_policy("last_drill_rto_seconds")), unit="dtdurations", none="not measured"),
                Column(
                    "Next drill",
                    moment(each(of_policy("drill_next_run_timestamp_seconds"))),
                    unit=FROM_NOW,
                    none="none planned",
                ),
                Column("Instance", label="instance"),
            ],
            "not configured: no policy has verify.drill",
            12,
            worst="Of limit",
        ),
        table(
            "Scheduled verification",
            "Policies that are read again on a schedule: since when every byte has been read, against how long ago that"
            " may be. Red under Of limit is bad: damage may be older than that, and unnoticed.",
            [
                Column("Policy", f"{READ_AGE} / {READ_LIMIT}", "policy", width=170),
                Column("All read since", moment(READ), unit=FROM_NOW),
                Column("Of limit", f"{READ_AGE} / {READ_LIMIT}", unit="percentunit", thresholds=OF_LIMIT),
                Column("Limit", READ_LIMIT, unit="dtdurations"),
                Column(
                    "Next reading",
                    moment(each(of_policy("verify_next_run_timestamp_seconds"))),
                    unit=FROM_NOW,
                    none="none planned",
                ),
                Column("Instance", label="instance"),
            ],
            "not configured: no policy has verify.schedule",
            12,
            worst="Of limit",
        ),
        lines(
            "How long a drill takes",
            "How long the newest good drill of each policy took to have the collections back: filled, indexed, loaded."
            " What a disaster would take at least. Growth is bad where somebody promised a time.",
            "s",
            [(each(of_policy("last_drill_rto_seconds")), "{{policy}} · {{instance}}")],
            "not configured, or no drill yet",
            24,
        ),
    ]
