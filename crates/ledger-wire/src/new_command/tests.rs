use super::*;

const ID: &str = "alice.000g000000000007";

fn action(body: &str) -> Action {
    NewCommand::from_body(body.as_bytes()).unwrap_or_else(|fault| panic!("{body}: {fault}")).action
}

fn euros(minor_units: i64) -> Money {
    Money { amount: Amount::new(minor_units).unwrap(), currency: "EUR".parse().unwrap() }
}

#[test]
fn each_type_reads_as_its_action() {
    let request = ID.parse::<TransactionId>().unwrap().position;
    let capture = |is_final| Action::Capture { request, money: euros(5), is_final };
    let held = |expires_in_seconds| Action::WithdrawalRequest { money: euros(5), expires_in_seconds };
    let body = |rest: &str| format!(r#"{{"account":"alice","amount":5,"currency":"EUR",{rest}}}"#);
    assert_eq!(action(&body(r#""type":"deposit""#)), Action::Deposit(euros(5)));
    assert_eq!(action(&body(r#""type":"withdrawal""#)), Action::Withdrawal(euros(5)));
    assert_eq!(action(&body(r#""type":"withdrawal","request":null"#)), Action::Withdrawal(euros(5)));
    assert_eq!(action(&body(r#""type":"withdrawal_request""#)), held(604_800));
    assert_eq!(action(&body(r#""type":"withdrawal_request","expires_in_seconds":60"#)), held(60));
    assert_eq!(action(&body(&format!(r#""type":"withdrawal","request":"{ID}""#))), capture(true));
    assert_eq!(action(&body(&format!(r#""type":"withdrawal","request":"{ID}","final":false"#))), capture(false));
    assert_eq!(
        action(&format!(r#"{{"type":"release","account":"alice","request":"{ID}"}}"#)),
        Action::Release { request }
    );
}

#[test]
fn every_mistake_names_its_field() {
    let deposit = |rest: &str| format!(r#"{{"type":"deposit",{rest}}}"#);
    let long = "x".repeat(257);
    let cases = [
        (r#"{"account":"a","amount":1,"currency":"EUR"}"#.to_owned(), "type"),
        (r#"{"type":"gift","account":"a"}"#.to_owned(), "type"),
        (r#"{"type":7,"account":"a"}"#.to_owned(), "type"),
        (deposit(r#""amount":1,"currency":"EUR""#), "account"),
        (deposit(r#""account":"no spaces","amount":1,"currency":"EUR""#), "account"),
        (deposit(r#""account":["a"],"amount":1,"currency":"EUR""#), "account"),
        (deposit(r#""account":"a","currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":"1","currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":0,"currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":-1,"currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":1.5,"currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":9007199254740992,"currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":9223372036854775808,"currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":1e30,"currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":1e400,"currency":"EUR""#), "amount"),
        (deposit(&format!(r#""account":"a","amount":{},"currency":"EUR""#, "9".repeat(400))), "amount"),
        (deposit(r#""account":"a","amount":01,"currency":"EUR""#), "amount"),
        (deposit(r#""account":"a","amount":1"#), "currency"),
        (deposit(r#""account":"a","amount":1,"currency":"eur""#), "currency"),
        (deposit(r#""account":"a","amount":1,"currency":"EUR","colour":"red""#), "colour"),
        (deposit(r#""account":"a","amount":1,"currency":"EUR","amount":2"#), "amount"),
        (deposit(r#""account":"a","amount":1,"currency":"EUR","request":"x""#), "request"),
        (deposit(&format!(r#""account":"a","amount":1,"currency":"EUR","reference":"{long}""#)), "reference"),
        (r#"{"type":"withdrawal","account":"a","amount":1,"currency":"EUR","final":true}"#.to_owned(), "final"),
        (r#"{"type":"withdrawal","account":"a","amount":1,"currency":"EUR","request":"x"}"#.to_owned(), "request"),
        (format!(r#"{{"type":"withdrawal","account":"bob","amount":1,"currency":"EUR","request":"{ID}"}}"#), "request"),
        (format!(r#"{{"type":"release","account":"alice","amount":1,"request":"{ID}"}}"#), "amount"),
        (r#"{"type":"release","account":"alice"}"#.to_owned(), "request"),
        (deposit(r#""account":"a","amount":1,"currency":"XXX""#), "currency"),
        (deposit(r#""account":"a","amount":1,"currency":"XTS""#), "currency"),
        (deposit(r#""account":"a","amount":1,"currency":"HRK""#), "currency"),
        (deposit(r#""account":"a","amount":1,"currency":"EUR","request":null"#), "request"),
        (deposit(&format!(r#""account":"a","amount":1,"currency":"EUR","{}":1"#, "x".repeat(300))), &"x".repeat(300)),
        (
            r#"{"type":"withdrawal_request","account":"a","amount":1,"currency":"EUR","expires_in_seconds":0}"#
                .to_owned(),
            "expires_in_seconds",
        ),
    ];
    for (body, field) in cases {
        let fault = NewCommand::from_body(body.as_bytes()).expect_err(&body);
        assert_eq!(fault.field.as_deref(), Some(field), "{body}: {fault}");
        assert!(fault.detail.starts_with(field), "{body}: {fault}");
    }
}

#[test]
fn a_null_is_as_good_as_a_field_left_out() {
    let held = |body: &str| matches!(action(body), Action::WithdrawalRequest { expires_in_seconds: 604_800, .. });
    assert!(held(
        r#"{"type":"withdrawal_request","account":"a","amount":1,"currency":"EUR","expires_in_seconds":null,"reference":null}"#
    ));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let body = r#"{"type":"deposit","account":"alice","amount":5,"currency":"EUR"}"#;
    assert_eq!(action(&format!("\u{feff}{body}")), Action::Deposit(euros(5)));
    let utf_16: Vec<u8> = format!("\u{feff}{body}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let fault = NewCommand::from_body(&utf_16).unwrap_err();
    assert_eq!(fault.detail, "the body is not UTF-8 from byte 0 on; send JSON in UTF-8");
}

#[test]
fn an_account_in_a_withdrawn_currency_may_be_emptied_but_not_filled() {
    let of = |kind: &str| format!(r#"{{"type":"{kind}","account":"a","amount":1,"currency":"HRK"}}"#);
    let fault = NewCommand::from_body(of("deposit").as_bytes()).unwrap_err();
    assert_eq!(fault.detail, "currency: HRK is withdrawn and takes no deposits; EUR has taken its place");
    assert!(matches!(action(&of("withdrawal")), Action::Withdrawal(_)));
    assert!(matches!(action(&of("withdrawal_request")), Action::WithdrawalRequest { .. }));
}

#[test]
fn a_fault_is_short_whatever_was_sent() {
    let long = "é".repeat(30_000);
    for body in [
        format!(r#"{{"type":"{long}","account":"a"}}"#),
        format!(r#"{{"type":"deposit","account":"a","amount":1,"currency":"EUR","{long}":1}}"#),
    ] {
        let fault = NewCommand::from_body(body.as_bytes()).unwrap_err();
        let lengths = [fault.field.unwrap_or_default(), fault.detail].map(|text| text.chars().count());
        assert!(lengths.into_iter().all(|length| length <= crate::reason::LONGEST_REASON), "{lengths:?}");
    }
}

#[test]
fn the_bound_of_an_amount_is_told_however_far_beyond_it_is() {
    for amount in ["9007199254740992", "9223372036854775807", "99999999999999999999", "0", "1.5"] {
        let body = format!(r#"{{"type":"deposit","account":"a","amount":{amount},"currency":"EUR"}}"#);
        let said = NewCommand::from_body(body.as_bytes()).unwrap_err().detail;
        assert!(said.contains("at least 1 and at most 9007199254740991, not "), "{said}");
    }
    let largest = r#"{"type":"deposit","account":"a","amount":9007199254740991,"currency":"EUR"}"#;
    assert_eq!(action(largest), Action::Deposit(euros(9_007_199_254_740_991)));
}

#[test]
fn a_body_that_is_no_object_is_refused_whole() {
    for body in [&b""[..], b"[]", b"7", b"{", b"{\"type\":\"\xff\"}", b"{} {}", b"null", b"\xef\xbb\xbf"] {
        let fault = NewCommand::from_body(body).unwrap_err();
        assert_eq!(fault.field, None);
        assert!(fault.detail.starts_with("the body "), "{fault}");
    }
}
