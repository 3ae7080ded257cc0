//! Names as the Invoke API reads them.

use crate::support::{Stack, TEMPLATE, json};

#[tokio::test]
async fn a_name_may_carry_a_qualifier_and_be_an_arn() {
    // The name itself ends in what an ARN has before its name.
    let stack = Stack::of(&TEMPLATE.replace("the-single-one", "my-function"), &[]);
    for name in [
        "my-function",
        "my-function:live",
        "my-function:7",
        "my-function:$LATEST",
        "my-function%3Alive",
        "function:my-function",
        "123456789012:function:my-function",
        "123456789012:function:my-function:live",
        "arn:aws:lambda:eu-west-1:123456789012:function:my-function",
        "arn:aws:lambda:eu-west-1:123456789012:function:my-function:live",
        "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:single",
        "Single:live",
    ] {
        let (response, answer) = stack.invoke(name, &[], b"{\"n\":1}").await;
        assert_eq!((response.status().as_u16(), json(answer)), (200, serde_json::json!({"n": 1})), "{name}");
    }
    for (name, status, kind, message) in [
        ("live", 404, "ResourceNotFoundException", "Function not found: live"),
        ("my-function:a:b", 400, "ValidationException", "'my-function:a:b' at 'functionName'"),
        ("my%20function", 400, "ValidationException", "'my function' at 'functionName'"),
        ("arn:aws:sqs:eu-west-1:123456789012:single", 400, "ValidationException", "at 'functionName'"),
    ] {
        let (response, answer) = stack.invoke(name, &[], b"{}").await;
        assert_eq!(response.status().as_u16(), status, "{name}");
        assert_eq!(response.headers()["x-amzn-errortype"], kind, "{name}");
        let answer = json(answer);
        assert!(answer["Message"].as_str().unwrap().contains(message), "{name}: {answer}");
    }
}
