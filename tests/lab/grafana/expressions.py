"""How the expressions of the dashboard are written: which series, counted how often."""

AGENT = 'instance=~"$instance"'
POLICY = AGENT + ', policy=~"$policy"'
CLUSTER = f"max by (instance, cluster) (milvus_backup_cluster_info{{{AGENT}}})"


def of_agent(name, matchers=""):
    """The series of a family without policies."""
    return f"milvus_backup_{name}{{{AGENT}{matchers and ', ' + matchers}}}"


def of_policy(name, matchers=""):
    """The series of a family with policies."""
    return f"milvus_backup_{name}{{{POLICY}{matchers and ', ' + matchers}}}"


def each(expr, *labels):
    """Once what two jobs of Prometheus may both have scraped."""
    return f"max by ({', '.join(labels or ('instance', 'policy'))}) ({expr})"


def named(expr):
    """With the cluster of its agent as one more label."""
    return f"({expr}) * on (instance) group_left (cluster) {CLUSTER}"


def once(expr, *labels):
    """What agents tell of one repository, once for a cluster: two agents of it tell the same."""
    return each(named(expr), "cluster", *labels)


def idle(expr, *labels):
    """0 where nothing is at work."""
    return f"{each(expr, *labels)} or {each(of_policy('run_in_progress'), *labels)} * 0"


def unpaused(expr):
    """0 where nothing was ever paused."""
    return f"{each(expr, 'instance')} or {each(of_agent('build_info'), 'instance')} * 0"


def happened(name, label, matchers="", shown=of_agent):
    """How often something happened in each step of the time shown."""
    return f"round(sum by ({label}) (increase({shown(name, matchers)}[$__rate_interval])))"


def ours(name):
    """Series that others have, too, and that Prometheus scraped where it scraped an agent in the time shown."""
    return f"{name}{{{AGENT}}} and on (job, instance) last_over_time({of_agent('build_info')}[$__range])"


def moment(expr):
    """A time, as Grafana counts it."""
    return f"{expr} * 1000"


BACKUPS = 'kind="backup"'
CREATED = each(of_policy("policy_created_timestamp_seconds"))
SUCCESS = each(of_policy("last_success_timestamp_seconds", BACKUPS))
LIMIT = each(of_policy("policy_max_age_seconds"))
AGE = f"(time() - (({SUCCESS} > 0) or {CREATED}))"
INTERVAL = each(of_policy("schedule_interval_seconds"))
NEXT = each(of_policy("schedule_next_run_timestamp_seconds"))
IN_PROGRESS = each(of_policy("run_in_progress", BACKUPS))
GOOD = each(of_policy("backups", 'state="complete"'))
MIN_KEEP = each(of_policy("policy_min_keep"))
OLDEST = each(of_policy("oldest_restorable_timestamp_seconds"))
NEWEST = each(of_policy("newest_restorable_timestamp_seconds"))
DRILL = each(of_policy("last_drill_success_timestamp_seconds"))
DRILL_LIMIT = each(of_policy("drill_max_age_seconds"))
DRILL_SINCE = each(of_policy("drill_since_timestamp_seconds"))
DRILL_AGE = f"(time() - (({DRILL} > {DRILL_SINCE}) or {DRILL_SINCE}))"
READ = each(of_policy("verify_read_since_timestamp_seconds"))
READ_LIMIT = each(of_policy("verify_max_age_seconds"))
READ_AGE = f"(time() - {READ})"
