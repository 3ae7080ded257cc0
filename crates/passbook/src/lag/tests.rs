use super::*;

fn end(partition: u16, end: u64) -> PartitionEnd {
    PartitionEnd { partition, start: 0, end }
}

fn fence(partition: u16, next_offset: u64) -> Fence {
    Fence { next_offset, ..Fence::at_beginning(COMMANDS, partition, 1, None) }
}

#[test]
fn the_lag_is_what_lies_between_the_fence_and_the_end() {
    let mut lag = lag_of(&[end(0, 10), end(1, 3), end(2, 4)], &[fence(0, 9), fence(2, 4)]);
    let recorded_at = [(0, Timestamp::from_epoch_ms(1_000)), (1, Timestamp::from_epoch_ms(9_000))].into();
    lag.tell_ages(&recorded_at, Timestamp::from_epoch_ms(3_500));
    assert_eq!(
        serde_json::to_string(&lag).unwrap(),
        concat!(
            r#"{"partitions":[{"partition":0,"end":10,"settled":9,"lag":1,"oldest_ms":2500,"state":"behind"},"#,
            r#"{"partition":1,"end":3,"settled":0,"lag":3,"oldest_ms":0,"state":"behind"},"#,
            r#"{"partition":2,"end":4,"settled":4,"lag":0,"state":"settled"}],"lag":4}"#
        )
    );
    let table = lag.to_table();
    assert!(table.contains("2.5 s"), "{table}");
    assert_eq!(table.lines().last(), Some("4 to settle"));
}

#[test]
fn markers_of_transactions_at_the_end_wait_for_nothing() {
    let mut lag = lag_of(&[end(0, 10), end(1, 3)], &[fence(0, 9), fence(1, 2)]);
    lag.leave_out_markers(&[(1, Timestamp::from_epoch_ms(0))].into());
    let told: Vec<_> = lag.partitions.iter().map(|partition| (partition.lag, partition.state)).collect();
    assert_eq!((told, lag.lag), (vec![(0, State::Settled), (1, State::Behind)], 1));
}

#[test]
fn what_has_waited_long_and_does_not_move_is_stuck() {
    let gone = PartitionEnd { partition: 2, start: 5, end: 9 };
    let ends = [end(0, 10), end(1, 10), gone, end(3, 10)];
    let before = [fence(0, 9), fence(1, 2), fence(2, 4), fence(3, 9)];
    let mut lag = lag_of(&ends, &before);
    let old = Timestamp::from_epoch_ms(0);
    let recent = Timestamp::from_epoch_ms(60_000);
    lag.tell_ages(&[(0, old), (1, old), (2, old), (3, recent)].into(), Timestamp::from_epoch_ms(61_000));
    assert!(lag.has_waited_for(60) && !lag.has_waited_for(61));
    let later = [fence(0, 9), fence(1, 3), fence(2, 4), fence(3, 9)];
    lag.judge(60, &ends, &later);
    let states: Vec<_> = lag.partitions.iter().map(|partition| partition.state).collect();
    assert_eq!(states, [State::Stuck, State::Behind, State::Stuck, State::Behind]);
    assert_eq!(
        lag.stuck(),
        [
            "partition 0 at offset 9",
            "partition 2 at offset 4 (the log begins at offset 5: the commands before it are gone)"
        ]
    );
}
