//! The guide's page lists what the code records.

use roan::metrics::METRICS;

const PAGE: &str = include_str!("../../roan/src/guide/metrics.md");

#[test]
fn the_page_lists_each_metric_as_the_code_has_it() {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `roan_"));
    let rows: Vec<_> = rows.collect();
    let expected: Vec<_> = METRICS
        .iter()
        .map(|metric| {
            let labels = metric.labels.iter().map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let (kind, unit) = (metric.kind.as_str(), metric.unit());
            let meaning = metric.description;
            format!(
                "| `{}` | {kind} | {unit} | {labels} | {meaning} |",
                metric.name
            )
        })
        .collect();
    assert_eq!(rows, expected, "write these rows:\n{}", expected.join("\n"));
}
