"""The top of the dashboard: is all well, and if not, where?"""

from grafana_foundation_sdk.builders import dashboard as make

from expressions import (
    AGE,
    BACKUPS,
    DRILL_AGE,
    DRILL_LIMIT,
    GOOD,
    IN_PROGRESS,
    LIMIT,
    MIN_KEEP,
    NEWEST,
    NEXT,
    OLDEST,
    READ_AGE,
    READ_LIMIT,
    SUCCESS,
    each,
    moment,
    named,
    of_agent,
    of_policy,
    ours,
)
from panels import (
    FROM_NOW,
    HERE,
    NONE_WANTED,
    OF_LIMIT,
    OUTCOMES,
    Column,
    Placed,
    begin,
    lines,
    steps,
    table,
    texts,
    tile,
)

FEW_WANTED = ((None, "green"), (1, "orange"))
BY_OUTCOME = ("instance", "policy", "outcome")


def tiles():
    """Numbers that are 0 where all is well."""
    unhappy = each(of_policy("last_run_outcome", 'outcome=~"failed|partial"'), "instance", "policy", "kind")
    damaged = of_agent("verify_objects_total", 'result!="ok"')
    drills = f'label_replace({DRILL_AGE} > bool {DRILL_LIMIT}, "proof", "drill", "", "")'
    readings = f'label_replace({READ_AGE} > bool {READ_LIMIT}, "proof", "read", "", "")'
    return [
        tile(
            "Too old",
            f"sum({AGE} > bool {LIMIT})",
            "Policies whose newest complete backup is older than they allow, or that have had none for as long."
            " Anything but 0 is bad: what was written since is not protected. Which they are: red under Of limit, in"
            " the table below.",
            "no limit",
        ),
        tile(
            "Failed or partial",
            f"sum({unhappy})",
            "Newest runs, of any kind, that failed or left collections out. Anything but 0 is bad, though the next run"
            " may heal it; the agent's log says why. Which they are: the timelines below.",
            "no run yet",
        ),
        tile(
            "Slots overdue",
            f"sum((time() - {NEXT}) > bool 900)",
            "Policies whose next slot was due more than 15 minutes ago: the agent does not come round to them. Anything"
            " but 0 is bad: backups are not made.",
            "no schedule",
        ),
        tile(
            "Agents silent",
            f"sum(1 - {each(ours('up'), 'instance')})",
            "Agents that were there in the time shown and that Prometheus could not scrape just now. Anything but 0 is "
            "bad: while one is silent, nothing here is known of it, and perhaps nothing is backed up.",
            "not scraped",
        ),
        tile(
            "Not ready",
            f"sum({each(of_agent('preflight_ok'), 'instance', 'check')} == bool 0)",
            "Things that a backup needs and that were not as they should be when an agent last looked: Milvus, its"
            " storage, privileges, the repository. Anything but 0 is bad: the next backup will fail. Which they are:"
            " the row Agents.",
            "not looked yet",
        ),
        tile(
            "Damaged files",
            f"ceil(sum(increase({damaged}[$__range])))",
            "Files that verifications found missing or changed in the time shown. Anything but 0 is bad: make a backup"
            " now, and see in list which backups are suspect or damaged.",
            "nothing verified",
        ),
        tile(
            "Proof overdue",
            f"sum({drills} or {readings})",
            "Policies whose last good drill, or whose longest unread byte, is longer ago than it may be. Anything but 0"
            " is bad: that such backups come back is only believed.",
            "not configured",
            FEW_WANTED,
        ),
        tile(
            "Too few kept",
            f"sum({GOOD} < bool {MIN_KEEP})",
            "Policies with fewer complete backups than retention always keeps. Bad, but for a new policy, which is"
            " among them until it has made as many.",
            "no minimum",
            FEW_WANTED,
        ),
    ]


def fleet():
    """A row for each policy."""
    every = (
        f"{of_policy('policy_created_timestamp_seconds')} or {of_policy('last_completion_timestamp_seconds', BACKUPS)}"
    )
    outcome = f"{each(of_policy('last_run_outcome', BACKUPS), *BY_OUTCOME)} == 1"
    only = HERE + "&var-instance=${__data.fields.Instance}&var-policy=${__value.text}"
    return table(
        "Policies",
        "A row for each policy of each agent; what is nearest to its limit, or furthest over it, comes first. Of limit"
        " is the age of the newest complete backup as a part of what the policy allows: yellow from 80 %; red, when it"
        " is over, is bad. Oldest and Newest are the first and the last moment that can be restored. A click on a"
        " policy shows it alone.",
        [
            Column(
                "Policy", named(each(every)), "policy", mappings=texts((None, "by hand", "text")), link=only, width=170
            ),
            Column(
                "Newest run",
                outcome,
                "outcome",
                none="never ran",
                mappings=texts(*[(name, name, color) for name, color in OUTCOMES]),
            ),
            Column(
                "Last success", moment(SUCCESS), unit=FROM_NOW, none="not known", mappings=texts(("0", "never", "red"))
            ),
            Column("Of limit", f"{AGE} / {LIMIT}", unit="percentunit", none="no limit", thresholds=OF_LIMIT),
            Column("Limit", LIMIT, unit="dtdurations", none="no limit"),
            Column("Next run", moment(NEXT), unit=FROM_NOW, none="no schedule"),
            Column("At work", IN_PROGRESS, mappings=texts(("0", "–", "text"), ("1", "yes", "yellow"))),
            Column("Oldest", moment(OLDEST), unit=FROM_NOW, none="nothing"),
            Column("Newest", moment(NEWEST), unit=FROM_NOW, none="nothing"),
            Column("Complete", GOOD, none="not known", thresholds=((None, "red"), (1, "text"))),
            Column("Cluster", label="cluster", none="not told"),
            Column("Instance", label="instance"),
        ],
        "no policy: is an agent scraped, and has it policies?",
        24,
        height=11,
        worst="Of limit",
    )


def alerts():
    """What fires, as Prometheus or Grafana has it."""
    panel = begin(
        make.Panel().type("alertlist"),
        "Alerts that fire",
        "Alerts whose names begin with MilvusBackup that fire or soon will, of Prometheus or of Grafana. Each is bad,"
        " and README.md says what to do. Empty is good, if they are installed: dashboards/alerts.yml has them.",
        "short",
        "no alert fires",
    )
    panel.thresholds(steps(*NONE_WANTED)).options(
        {
            "viewMode": "list",
            "groupMode": "default",
            "groupBy": [],
            "maxItems": 50,
            "sortOrder": 3,
            "dashboardAlerts": False,
            "alertName": "MilvusBackup",
            "alertInstanceLabelFilter": "",
            "stateFilter": {"firing": True, "pending": True, "noData": True, "normal": False, "error": True},
        }
    )
    return Placed(panel, 8, 8)


def history():
    """How the fleet has been doing."""
    ended = each(of_policy("last_run_outcome", BACKUPS), *BY_OUTCOME)
    return lines(
        "How the newest backups ended",
        "Policies, by how their newest backup ended. Red or orange that stays is bad.",
        "short",
        [(f"sum by (outcome) ({ended})", "{{outcome}}")],
        "no backup yet",
        16,
        stacked=True,
        colors=OUTCOMES,
        calcs=("lastNotNull",),
    )


def panels():
    return [*tiles(), fleet(), alerts(), history()]
