#!/usr/bin/env python3
"""Makes the dashboard with Grafana's foundation SDK, and prints it.

    "$(tests/lab/setup.sh grafana)" tests/lab/grafana/make.py >dashboards/milvus-backup-agent.json

Each file beside this one has the panels of some rows. A new panel says in its description what it shows and what is bad,
and its expressions find something on every agent that has what the panel is about.
"""

import json

from grafana_foundation_sdk.builders import dashboard as make
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

import agents
import glance
import repository
import runs
from panels import SOURCE, place

ROWS = [
    ("", False, glance.panels()),
    ("Runs", False, [*runs.over_time(), *runs.lengths(), *runs.at_work()]),
    ("What backups hold and cost", False, runs.copied()),
    ("Repository and retention", False, [*repository.holdings(), *repository.pruning()]),
    ("Verification", False, repository.verification()),
    ("Drills and scheduled verification (where a policy wants them)", True, repository.proof()),
    ("Storage, leases, garbage collection", False, [*agents.storages(), *agents.holds()]),
    ("Broker (with amqp.url)", True, agents.broker()),
    ("Agents", False, agents.themselves()),
]


def choice(name, label, query, description, everything=None):
    """A variable of which one, some or all values are chosen."""
    every = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    variable = make.QueryVariable(name).label(label).query(query).description(description).datasource(SOURCE)
    variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    variable.multi(True).include_all(True).current(every)
    return variable if everything is None else variable.all_value(everything)


def made():
    """The whole dashboard."""
    board = make.Dashboard("Milvus backup agent").uid("milvus-backup-agent").tags(["milvus", "backup"])
    board.description(
        "Backups of Milvus by milvus-backup-agent: whether they are made, kept, and come back. Made by"
        " tests/lab/grafana/make.py."
    )
    board.time("now-7d", "now").refresh("1m").timezone("browser").tooltip(
        dashboard.DashboardCursorSync.CROSSHAIR
    ).editable()
    board.with_variable(make.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    board.with_variable(
        choice(
            "cluster",
            "Cluster",
            "label_values(milvus_backup_cluster_info, cluster)",
            "Milvus servers, by milvus.cluster. It narrows the agents.",
        )
    )
    board.with_variable(
        choice(
            "instance",
            "Agent",
            'label_values(milvus_backup_cluster_info{cluster=~"$cluster"}, instance)',
            "Agents of these clusters, by what Prometheus scrapes.",
        )
    )
    board.with_variable(
        choice(
            "policy",
            "Policy",
            'label_values(milvus_backup_runs_total{instance=~"$instance"}, policy)',
            "Policies of these agents. All of them includes runs without a policy.",
            ".*",
        )
    )
    place(board, ROWS)
    return board.build()


if __name__ == "__main__":
    print(json.dumps(made(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False))
