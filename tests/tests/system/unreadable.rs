//! What nobody can read is set aside and holds nothing up.

use std::time::Duration;

use anyhow::{Context, Result};
use libtest_mimic::Trial;
use serde_json::Value;
use system_tests::kafka::{COMMANDS, OUTCOMES};
use system_tests::{Stack, deposit, operator};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(&CALM, unreadable: records_that_nobody_can_read_are_set_aside)
}

/// Of a record; either may be missing.
type KeyAndValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn records_that_nobody_can_read_are_set_aside(stack: &Stack) -> Result<()> {
    let (client, log) = (stack.client(), stack.kafka()?);
    let commands = log.ends(COMMANDS)?;
    let outcomes = log.ends(OUTCOMES)?;
    client.settle(&deposit("patient", 100))?;
    let good = log.records_since(COMMANDS, &commands)?.pop().context("the deposit's record")?;
    let partition = Some(good.partition);
    let key = good.key.as_deref();
    let value = String::from_utf8(good.value.clone().context("the deposit's value")?)?;
    let too_large = value.replace(":100,", ":9007199254740992,");
    let with_more = value.replace(":100,", r#":100,"colour":"red","#);
    assert!(too_large != value && with_more != value, "{value}");
    // An outcome that quoted all of it would be too large for the topic of outcomes, for ever.
    let long = value.replace(r#""deposit""#, &format!("\"{}\"", "gift".repeat(240_000)));
    let raw = br#"[1,1,null,["deposit","patient",7,"EUR",null,null,null,null]]"#;
    let garbage: [KeyAndValue<'_>; 11] = [
        (key, Some(b"not JSON")),
        (key, Some(b"")),
        (key, None),
        (key, Some(b"\xff\xfe\x00")),
        (key, Some(br#"{"v":999,"command":"from the future"}"#)),
        (key, Some(too_large.as_bytes())),
        (key, Some(with_more.as_bytes())),
        (key, Some(long.as_bytes())),
        (key, Some(raw)),
        (Some(b"somebody-else"), good.value.as_deref()),
        (None, good.value.as_deref()),
    ];
    for (key, value) in garbage {
        log.append(COMMANDS, partition, key, value)?;
    }
    let after = client.settle(&deposit("patient", 23))?;
    assert_eq!((after["status"].as_str(), after["balance"].as_i64()), (Some("posted"), Some(123)), "{after}");
    operator::settle_all(stack, Duration::from_secs(20))?;
    let published = log.await_records(OUTCOMES, &outcomes, garbage.len() + 2)?;
    let said: Vec<_> = published.iter().map(|record| record.json()).collect::<Result<_>>()?;
    let unreadable: Vec<_> = said.iter().filter(|outcome| outcome["status"] == "unreadable").collect();
    assert_eq!(unreadable.len(), garbage.len(), "one outcome for each record: {said:?}");
    let says_why =
        |outcome: &&Value| outcome["detail"].as_str().is_some_and(|why| (1..=500).contains(&why.chars().count()));
    assert!(unreadable.iter().all(says_why), "each says why, in few words: {unreadable:?}");
    Ok(())
}
