//! The alerts that are shipped: each fires when it should, says what to do, and is silent on an
//! agent that is well or new.
//!
//! `dashboards/alerts_test.yml` has the cases, which promtool plays. Its first one is what a real
//! agent exports when it has just started, and `dashboards/grafana-alerts.yml` is made of the
//! rules: `MBA_GOLDEN_WRITE=1` writes both anew. The live part is `live/alerts.rs`.

mod cases;
mod form;
mod fresh;
mod grafana;
mod rules;
mod shorten;

pub(crate) use grafana::queries;
pub(crate) use rules::{path, rules};
pub(crate) use shorten::shortened;
