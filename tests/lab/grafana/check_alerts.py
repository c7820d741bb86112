#!/usr/bin/env python3
"""Holds a file of alert rules for provisioning, as JSON, against the models of the foundation SDK, as check.py does a dashboard.

The keys of the file and of its groups are those of Grafana's reader (pkg/services/provisioning/alerting/rules_types.go), which the SDK lacks.
"""

import json
import re
import sys

from check import inside, lost, plain
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.alerting import Rule
from grafana_foundation_sdk.models.expr import TypeThreshold
from grafana_foundation_sdk.models.prometheus import Dataquery

# What a rule has in the API that in a file is said of its group.
OF_THE_GROUP = {"folderUID": "f", "orgID": 1, "ruleGroup": "g"}
MODELS = {"prometheus": Dataquery, "__expr__": TypeThreshold}


def against(model, value, place):
    read = model.from_json(value)
    yield from lost(value, plain(read), place)
    yield from inside(read, place)


def rule(value, place):
    yield from against(Rule, {**value, **OF_THE_GROUP}, place)
    for query in value["data"]:
        yield from against(MODELS[query["datasourceUid"]], query["model"], f"{place}.{query['refId']}.model")
        if query["refId"] != query["model"]["refId"] or query["datasourceUid"] != query["model"]["datasource"]["uid"]:
            yield f"{place}.{query['refId']}: the model is of another query"
    if value["condition"] not in [query["refId"] for query in value["data"]]:
        yield f"{place}: no query is its condition"
    if not re.fullmatch("[a-zA-Z0-9_-]{1,40}", value["uid"]):
        yield f"{place}: {value['uid']} is no uid"
    if not re.fullmatch("[0-9]+[smhd]", value["for"]):
        yield f"{place}: {value['for']} is no duration"


def document(read):
    if sorted(read) != ["apiVersion", "groups"] or read["apiVersion"] != 1:
        yield f"$: {sorted(read)} of version {read.get('apiVersion')}"
    uids = []
    for index, group in enumerate(read["groups"]):
        place = f"$.groups[{index}]"
        if sorted(group) != ["folder", "interval", "name", "orgId", "rules"]:
            yield f"{place}: {sorted(group)}"
        for value in group["rules"]:
            uids.append(value["uid"])
            yield from rule(value, f"{place}.{value['title']}")
    if not uids or len(set(uids)) < len(uids):
        yield "$: a uid is there twice, or no rule at all"


def main():
    register_default_plugins()
    found = list(document(json.load(sys.stdin)))
    for wrong in found:
        print(wrong)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
