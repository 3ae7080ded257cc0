use super::*;

const PLACE: Place = Place { partition: 3, offset: 9, recorded_at: Timestamp::from_epoch_ms(1_700_000_000_000) };

fn bodies() -> Vec<NewCommand> {
    [
        r#"{"type":"deposit","account":"alice","amount":2500,"currency":"EUR","reference":"invoice 7 \"x\" é"}"#,
        r#"{"type":"withdrawal_request","account":"alice","amount":5,"currency":"EUR","expires_in_seconds":60}"#,
        r#"{"type":"withdrawal","account":"alice","amount":5,"currency":"EUR"}"#,
        r#"{"type":"withdrawal","account":"alice","amount":5,"currency":"EUR","request":"alice.000g000000000007","final":false}"#,
        r#"{"type":"release","account":"alice","request":"alice.000g000000000007"}"#,
    ]
    .map(|body| NewCommand::from_body(body.as_bytes()).unwrap())
    .into()
}

#[test]
fn what_is_written_reads_back() {
    for mut new in bodies() {
        new.idempotency_key = Some("k-1".parse().unwrap());
        let command = decode(PLACE, Some(b"alice"), Some(&encode(&new, 7))).unwrap();
        assert_eq!((command.account, command.action, command.reference), (new.account, new.action, new.reference));
        assert_eq!(command.position, Position::new(7, 3, 9).unwrap());
        assert_eq!(command.recorded_at, PLACE.recorded_at);
        assert_eq!(command.idempotency.map(|idempotency| idempotency.key), new.idempotency_key);
    }
}

#[test]
fn the_fingerprint_is_of_the_command_alone() {
    let fingerprint = |new: &NewCommand, generation| {
        decode(PLACE, Some(b"alice"), Some(&encode(new, generation))).unwrap().idempotency.unwrap().fingerprint
    };
    let mut all = bodies();
    for new in &mut all {
        new.idempotency_key = Some("k".parse().unwrap());
    }
    assert_eq!(fingerprint(&all[0], 1), fingerprint(&all[0], 2));
    assert_ne!(fingerprint(&all[0], 1), fingerprint(&all[1], 1));
}

/// The faults of records that differ from good ones in a few letters.
fn faults<'a>(cases: &[(usize, &'a str, &'a str, &'a str)]) {
    for (place, from, to, expected) in cases {
        let good = String::from_utf8(encode(&bodies()[*place], 1)).unwrap();
        assert!(good.contains(from), "{good} has no {from}");
        let sent = good.replacen(from, to, 1);
        let said = decode(PLACE, Some(b"alice"), Some(sent.as_bytes())).expect_err(&sent).to_string();
        assert!(said.starts_with(expected), "{sent}: {said}, not {expected}");
    }
}

const DEPOSIT: usize = 0;
const HOLD: usize = 1;
const WITHDRAWAL: usize = 2;
const CAPTURE: usize = 3;
const RELEASE: usize = 4;

#[test]
fn a_record_is_written_in_the_same_words_for_ever() {
    let mut new = bodies();
    new[CAPTURE].idempotency_key = Some("k".parse().unwrap());
    for (place, expected) in [
        (
            DEPOSIT,
            r#"{"v":1,"generation":7,"command":{"type":"deposit","account":"alice","amount":2500,"currency":"EUR","reference":"invoice 7 \"x\" é"}}"#,
        ),
        (
            CAPTURE,
            r#"{"v":1,"generation":7,"idempotency_key":"k","command":{"type":"withdrawal","account":"alice","amount":5,"currency":"EUR","request":"000g000000000007","final":false}}"#,
        ),
    ] {
        assert_eq!(String::from_utf8(encode(&new[place], 7)).unwrap(), expected);
    }
}

#[test]
fn what_is_no_command_says_why() {
    let good = encode(&bodies()[DEPOSIT], 1);
    let of = |value: &[u8]| decode(PLACE, Some(b"alice"), Some(value)).unwrap_err().to_string();
    assert_eq!(decode(PLACE, Some(b"alice"), None).unwrap_err().to_string(), "the record has no value");
    let of_another = decode(PLACE, None, Some(&good)).unwrap_err().to_string();
    assert_eq!(of_another, "the record's key is not its account's placement group, alice");
    assert!(of(b"\xff\xfe").starts_with("not a record of a command"));
    assert!(of(b"\xef\xbb\xbf{}").starts_with("not a record of a command"));
    faults(&[
        (DEPOSIT, "\"generation\":1", "\"generation\":0", "generation: is counted from 1 on, not 0"),
        (DEPOSIT, "\"generation\":1", "\"generation\":65536", "generation: is a whole number up to 65535, not 65536"),
        (DEPOSIT, "\"generation\":1,", "", "generation: is missing"),
        (DEPOSIT, "\"v\":1,", "", "v: is missing"),
        (DEPOSIT, "\"v\":1", "\"v\":\"1\"", "v: must be a number, not a string"),
        (DEPOSIT, "2500", "-1", "amount: "),
        (DEPOSIT, "EUR", "EUX", "currency: "),
        (DEPOSIT, "EUR", "XXX", "currency: XXX is no currency that money is paid in"),
        (DEPOSIT, "deposit", "gift", "type: must be one of deposit, "),
        (DEPOSIT, "\"amount\":2500,", "", "amount: is missing"),
    ]);
}

#[test]
fn what_the_door_would_refuse_is_unreadable() {
    let a_year = "expires_in_seconds: is a whole number of seconds from 1 to 31622400";
    faults(&[
        (DEPOSIT, "2500", "9007199254740992", "amount: an amount is a whole number of minor units"),
        (HOLD, ":60", ":0", a_year),
        (HOLD, ":60", ":31622401", a_year),
        (HOLD, ":60", ":-1", a_year),
        (DEPOSIT, "EUR\"", "EUR\",\"colour\":\"red\"", "colour: is not a field of a deposit"),
        (DEPOSIT, "\"v\":1", "\"v\":1,\"colour\":1", "colour: is not a field of a record"),
        (DEPOSIT, "EUR\"", "EUR\",\"final\":true", "final: is not a field of a deposit"),
        (WITHDRAWAL, "EUR\"", "EUR\",\"final\":true", "final: goes with request only"),
        (DEPOSIT, "EUR\"", "EUR\",\"request\":\"000g000000000007\"", "request: is not a field of a deposit"),
        (DEPOSIT, "EUR\"", "EUR\",\"expires_in_seconds\":60", "expires_in_seconds: is not a field of a deposit"),
        (RELEASE, "alice\"", "alice\",\"amount\":1", "amount: is not a field of a release"),
    ]);
}

/// A struct of serde's reads all of these, and the door writes none of them.
#[test]
fn what_the_door_would_not_have_written_is_unreadable() {
    let of = |value: &str| decode(PLACE, Some(b"raw1"), Some(value.as_bytes())).expect_err(value).to_string();
    for raw in [
        r#"[1,1,null,["deposit","raw1",7,"EUR",null,null,null,null]]"#,
        r#"{"v":1,"generation":1,"command":["deposit","raw1",7,"EUR",null,null,null,null]}"#,
        r#"{"v":1,"generation":1,"idempotency_key":null,"command":{"type":"deposit","account":"raw1","amount":7,"currency":"EUR"}}"#,
        r#"{"v":1,"generation":1,"command":{"type":"deposit","account":"raw1","amount":7,"currency":"EUR"}} {}"#,
        r#"{"v":1,"generation":1,"command":null}"#,
        r#"{"v":1,"generation":1}"#,
    ] {
        of(raw);
    }
    faults(&[
        (DEPOSIT, "2500", "2500.0", "amount: an amount is a whole number"),
        (DEPOSIT, "2500", "null", "amount: must be a number, not null"),
        (DEPOSIT, "\"reference\":", "\"final\":null,\"reference\":", "final: is not a field of a deposit"),
        (DEPOSIT, "\"invoice 7 \\\"x\\\" é\"", "null", "reference: must be a string, not null"),
        (HOLD, ",\"expires_in_seconds\":60", "", "expires_in_seconds: is missing"),
        (HOLD, ":60", ":null", "expires_in_seconds: must be a number, not null"),
        (CAPTURE, ",\"final\":false", "", "final: is missing"),
        (CAPTURE, "false", "null", "final: must be true or false, not null"),
        (CAPTURE, "\"000g", "\"alice.000g", "request: "),
        (DEPOSIT, "\"amount\":2500", "\"amount\":2500,\"amount\":2500", "amount: stands more than once"),
        (DEPOSIT, "\"v\":1", "\"v\":1,\"v\":1", "v: stands more than once"),
        (DEPOSIT, "\"v\":1", "\"v\":1,\"command\":{}", "command: stands more than once"),
    ]);
}

#[test]
fn another_version_is_said_to_be_one_whatever_else_it_says() {
    let good = String::from_utf8(encode(&bodies()[DEPOSIT], 1)).unwrap();
    for (from, to, version) in [
        ("\"v\":1", "\"v\":2,\"colour\":\"red\"", 2),
        ("\"v\":1", "\"v\":70000", 70_000),
        (good.as_str(), r#"{"v":2,"entirely":"different"}"#, 2),
        (good.as_str(), r#"{"v":999,"command":"from the future"}"#, 999),
    ] {
        let later = good.replace(from, to);
        let said = decode(PLACE, Some(b"alice"), Some(later.as_bytes())).unwrap_err().to_string();
        assert_eq!(said, format!("version {version} is not known, only 1 is"));
    }
}

#[test]
fn what_was_accepted_in_a_currency_that_is_withdrawn_now_is_read() {
    let kuna = String::from_utf8(encode(&bodies()[DEPOSIT], 1)).unwrap().replace("EUR", "HRK");
    let command = decode(PLACE, Some(b"alice"), Some(kuna.as_bytes())).unwrap();
    assert_eq!(command.action.money().unwrap().currency.code(), "HRK");
}

#[test]
fn a_reason_is_short_whatever_the_record_says() {
    let long = "\u{1f600}".repeat(250_000);
    let good = String::from_utf8(encode(&bodies()[DEPOSIT], 1)).unwrap();
    for (from, to) in [
        ("deposit", long.as_str()),
        ("alice", &long),
        ("EUR", &long),
        ("invoice", &long),
        ("\"amount\"", &format!("\"{long}\"")),
        ("\"v\"", &format!("\"{long}\"")),
    ] {
        let said = decode(PLACE, Some(b"alice"), Some(good.replace(from, to).as_bytes())).unwrap_err().to_string();
        assert!(said.chars().count() <= crate::reason::LONGEST_REASON, "{from}: {} bytes", said.len());
    }
}
