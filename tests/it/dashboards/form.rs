//! The form of the panels.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::board::{FILE, Panel, board, list, panels, text};

/// A rectangle of the grid.
fn place(panel: &Value) -> [u64; 4] {
    ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a number"))
}

fn overlap([x, y, w, h]: [u64; 4], [left, top, wide, high]: [u64; 4]) -> bool {
    x < left + wide && left < x + w && y < top + high && top < y + h
}

#[test]
fn panels_lie_beside_each_other() {
    let board = board();
    let mut ids = BTreeSet::new();
    let rows = list(&board["panels"]).iter().map(|panel| list_of(&panel["panels"]));
    for panels in rows.chain([list_of(&board["panels"])]) {
        for (index, panel) in panels.iter().enumerate() {
            assert!(ids.insert(panel["id"].as_u64()), "an id is there twice: {}", panel["title"]);
            let [x, _, w, h] = place(panel);
            assert!(w > 0 && h > 0 && x + w <= 24, "{} is not on the grid", panel["title"]);
            for other in &panels[..index] {
                let (one, two) = (&panel["title"], &other["title"]);
                assert!(!overlap(place(panel), place(other)), "{one} lies on {two}");
            }
        }
    }
    assert!(ids.len() > 50, "{} panels were looked at", ids.len());
    assert!(overlap([0, 0, 2, 2], [1, 1, 2, 2]) && !overlap([0, 0, 2, 2], [2, 0, 2, 2]));
}

/// A panel without panels of its own has none.
fn list_of(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn every_panel_says_what_is_bad_and_is_drawn_with_care() {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let mut titles = BTreeSet::new();
    for Panel { title, is, .. } in panels() {
        let defaults = &is["fieldConfig"]["defaults"];
        let description = text(&is["description"]);
        assert!(!title.is_empty() && titles.insert(format!("{} {title}", is["type"])), "{title}");
        let complete = description.ends_with('.') && description.to_lowercase().contains("bad");
        assert!(complete, "{title} does not say what is bad: {description}");
        assert!(!text(&defaults["unit"]).is_empty(), "{title} has no unit");
        assert!(!text(&defaults["noValue"]).is_empty(), "{title} says nothing without data");
        let steps = list(&defaults["thresholds"]["steps"]);
        assert!(steps.first().is_some_and(|step| step["value"].is_null()), "{title}: {steps:?}");
        assert_eq!(is["datasource"], source, "{title}");
        let mut letters = BTreeSet::new();
        for query in list_of(&is["targets"]) {
            assert_eq!(query["datasource"], source, "{title}");
            assert!(letters.insert(text(&query["refId"]).to_owned()), "{title}: {letters:?}");
            let expression = text(&query["expr"]);
            assert!(!expression.contains("vector("), "{title} makes data up: {expression}");
            for window in expression.split('[').skip(1) {
                let fits =
                    window.starts_with("$__rate_interval]") || window.starts_with("$__range]");
                assert!(fits, "{title} looks back by a length of its own: {expression}");
            }
        }
        assert!(is["type"] == "alertlist" || !letters.is_empty(), "{title} asks nothing");
    }
    assert!(titles.len() > 40, "{titles:?}");
    let colours = FILE.split('"').filter(|word| word.starts_with('#') || word.contains("rgb("));
    assert_eq!(colours.count(), 0, "colours have names, which are right on dark and on light");
}

/// A column that is renamed or hidden in vain is one that the query does not make.
#[test]
fn columns_of_tables_are_those_of_their_queries() {
    let mut tables = 0;
    for Panel { title, is, .. } in panels().into_iter().filter(|panel| panel.is["type"] == "table")
    {
        tables += 1;
        let ids: Vec<&str> =
            list(&is["transformations"]).iter().map(|it| text(&it["id"])).collect();
        assert_eq!(ids, ["merge", "organize"], "{title}");
        let options = &is["transformations"][1]["options"];
        let queries = list(&is["targets"]);
        assert!(queries.len() > 1, "{title}: with one query the value has another name");
        let known = |field: &str| {
            let value = |query: &Value| field == format!("Value #{}", text(&query["refId"]));
            let label = |query: &Value| text(&query["expr"]).contains(field);
            field == "Time" || queries.iter().any(|query| value(query) || label(query))
        };
        let shown = options["renameByName"].as_object().expect("names");
        let hidden = options["excludeByName"].as_object().expect("names");
        for field in shown.keys().chain(hidden.keys()) {
            assert!(known(field), "{title} has no {field}");
        }
        for query in queries {
            let field = format!("Value #{}", text(&query["refId"]));
            let told = shown.contains_key(&field) != hidden.contains_key(&field);
            assert!(told, "{title}: {field} is neither named nor hidden");
            assert_eq!((&query["format"], &query["instant"]), (&json!("table"), &json!(true)));
        }
        let columns: BTreeSet<&str> = shown.values().map(text).collect();
        for change in list(&is["fieldConfig"]["overrides"]) {
            let name = text(&change["matcher"]["options"]);
            assert!(columns.contains(name), "{title} has no column {name}");
        }
        for sorted in list_of(&is["options"]["sortBy"]) {
            assert!(columns.contains(text(&sorted["displayName"])), "{title}: {sorted}");
        }
    }
    assert!(tables > 5, "{tables} tables");
}

#[test]
fn the_variables_narrow_each_other() {
    let board = board();
    let told: Vec<(&str, &str)> = list(&board["templating"]["list"])
        .iter()
        .map(|variable| (text(&variable["name"]), text(&variable["query"])))
        .collect();
    let cluster = "milvus_backup_cluster_info";
    let of_cluster = format!("label_values({cluster}{{cluster=~\"$cluster\"}}, instance)");
    let of_agent = "label_values(milvus_backup_runs_total{instance=~\"$instance\"}, policy)";
    let wanted = [
        ("datasource", "prometheus"),
        ("cluster", "label_values(milvus_backup_cluster_info, cluster)"),
        ("instance", of_cluster.as_str()),
        ("policy", of_agent),
    ];
    assert_eq!(told, wanted);
    for panel in panels() {
        for expression in panel.expressions() {
            let selectors = expression.matches('{').count();
            let narrowed = expression.matches("{instance=~\"$instance\"").count();
            assert_eq!(selectors, narrowed, "{}: {expression}", panel.title);
        }
    }
}
