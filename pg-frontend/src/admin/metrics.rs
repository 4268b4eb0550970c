//! The recorder of metrics, and what each metric means.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::databases::Databases;

/// Upper ends of the buckets of durations, in seconds.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// Counters of a store: the name in `blob_stats`, and what it is called as `op`.
const OPERATIONS: &[(&str, &str)] = &[
    ("store_gets", "get"),
    ("store_puts", "put"),
    ("store_lists", "list"),
    ("store_deletes", "delete"),
];

/// What was counted so far.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Begins to count. Call it once.
    ///
    /// # Errors
    /// Something counts already.
    pub fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
            .install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    /// The text that Prometheus scrapes.
    #[must_use]
    pub fn render(&self, databases: &Databases) -> String {
        let statistics = databases.statistics();
        let count = |name: &str| statistics.get(name).map_or(0, |value| value.unsigned_abs());
        for (name, op) in OPERATIONS {
            counter!("pg_blob_storage_operations_total", "op" => *op).absolute(count(name));
        }
        counter!("pg_blob_storage_errors_total").absolute(count("store_errors"));
        counter!("pg_blob_storage_bytes_total", "direction" => "in")
            .absolute(count("store_bytes_in"));
        counter!("pg_blob_storage_bytes_total", "direction" => "out")
            .absolute(count("store_bytes_out"));
        counter!("pg_blob_storage_conflicts_total").absolute(count("conflicts"));
        self.0.render()
    }

    /// Sorts what was measured into its buckets; without it, measurements that nobody scrapes pile up.
    pub fn tidy(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    describe_gauge!("pg_connections_active", "Sessions of Postgres clients");
    describe_counter!("pg_queries_total", "Statements executed");
    describe_histogram!("pg_queries_duration_seconds", "Time that statements took");
    describe_counter!("pg_transactions_total", "Transactions, by how they ended");
    describe_counter!(
        "pg_authentication_failures_total",
        "Clients that did not prove who they are"
    );
    describe_counter!(
        "pg_blob_storage_operations_total",
        "Requests to the store, by kind"
    );
    describe_counter!(
        "pg_blob_storage_errors_total",
        "Requests to the store that failed"
    );
    describe_counter!("pg_blob_storage_bytes_total", "Bytes from and to the store");
    describe_counter!(
        "pg_blob_storage_conflicts_total",
        "COMMITs refused because another writer was first"
    );
    describe_gauge!("pg_storage_up", "1: the store, or the disk, can be used");
    describe_gauge!(
        "sqlite_locks_held",
        "Transactions that hold a lock, by kind"
    );
    describe_counter!(
        "pg_procedure_calls_total",
        "Calls by the procedure API, by how they ended"
    );
    // Here from the start on, also while nothing has happened.
    gauge!("pg_connections_active").set(0.0);
    gauge!("pg_storage_up").set(1.0);
    counter!("pg_queries_total").absolute(0);
    for status in ["commit", "rollback"] {
        counter!("pg_transactions_total", "status" => status).absolute(0);
    }
    for kind in ["shared", "reserved", "exclusive"] {
        gauge!("sqlite_locks_held", "kind" => kind).set(0.0);
    }
}
