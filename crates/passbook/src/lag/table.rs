use super::{Lag, PartitionLag, State};
use crate::table::table;

impl Lag {
    pub(super) fn to_table(&self) -> String {
        let rows: Vec<_> = self.partitions.iter().map(row).collect();
        let table = table(["partition", "end", "settled", "lag", "oldest", "state"], &rows);
        format!("{table}\n{} to settle", self.lag)
    }
}

fn row(found: &PartitionLag) -> [String; 6] {
    let oldest =
        found.oldest_ms.map_or_else(|| "-".to_owned(), |age| format!("{}.{} s", age / 1_000, age % 1_000 / 100));
    let state = match found.state {
        State::Settled => "settled",
        State::Behind => "behind",
        State::Stuck => "stuck",
    };
    let [partition, end, settled, lag] =
        [found.partition.into(), found.end, found.settled, found.lag].map(|number: u64| number.to_string());
    [partition, end, settled, lag, oldest, state.to_owned()]
}
