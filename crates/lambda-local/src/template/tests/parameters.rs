//! Parameters are held to all their rules.

use super::*;

/// What the parameter `P` of a declaration gives as a variable, or what is wrong.
fn given(declaration: &str, given: &[(&str, &str)]) -> Result<String, String> {
    let text = format!(
        "Parameters: {{P: {declaration}}}\nResources: {{F: {{Type: 'AWS::Serverless::Function', Properties: {{Runtime: \
         provided.al2023, Environment: {{Variables: {{V: !Join ['|', [!Ref P]]}}}}}}}}}}"
    );
    let text = if declaration.contains("List") { text.replace("[!Ref P]", "!Ref P") } else { text };
    match read(&text, &inputs(given)) {
        Ok(mut template) => Ok(template.functions.remove(0).variables.remove("V").unwrap_or_default()),
        Err(problems) => {
            let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
            Err(told.join("\n"))
        }
    }
}

fn holds(declaration: &str, value: &str, expected: &str) {
    assert_eq!(given(declaration, &[("P", value)]).as_deref(), Ok(expected), "{declaration} {value:?}");
}

fn refused(declaration: &str, value: &str, whats: &[&str]) {
    let told = given(declaration, &[("P", value)]).expect_err(declaration);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), whats.len(), "{declaration} {value:?}: {told}");
    for (line, what) in lines.iter().zip(whats) {
        assert!(line.starts_with("Parameters.P: ") && line.contains(what), "{declaration} {value:?}: {line}");
    }
}

#[test]
fn a_value_is_given_or_is_the_default() {
    holds("{Type: String}", "x", "x");
    for (declaration, expected) in [
        ("{Type: String, Default: ''}", Ok("")),
        ("{Type: Number, Default: 3}", Ok("3")),
        ("{Type: 'List<Number>', Default: '1, 2'}", Ok("1|2")),
        ("{Type: String}", Err("give --parameter P=VALUE")),
        ("{Type: 'AWS::SSM::Parameter::Value<String>', Default: x}", Err("SSM")),
        ("{Type: String, Default: abc, MaxLength: 2}", Err("MaxLength")),
        ("{Type: String, Default: [a]}", Err("Default must be a text")),
        ("{}", Err("needs a Type")),
    ] {
        match (given(declaration, &[]), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{declaration}"),
            (Err(told), Err(what)) => assert!(told.contains(what), "{declaration}: {told}"),
            (outcome, _) => panic!("{declaration}: {outcome:?}"),
        }
    }
    let told = given("{Type: String, Default: x}", &[("Q", "4")]).expect_err("no such parameter");
    assert!(told.contains("--parameter Q"), "{told}");
}

#[test]
fn a_text_is_held_to_its_rules() {
    holds("{Type: String, AllowedValues: [a, b]}", "b", "b");
    refused("{Type: String, AllowedValues: [a, b]}", "c", &["AllowedValues: \"c\" is not one of a, b"]);
    holds("{Type: String, MinLength: 2, MaxLength: 3}", "äöü", "äöü");
    refused("{Type: String, MinLength: 3}", "c", &["MinLength: \"c\" is shorter than 3"]);
    refused("{Type: String, MaxLength: 2}", "abc", &["MaxLength: \"abc\" is longer than 2"]);
    holds("{Type: String, AllowedPattern: '[a-z]+'}", "abc", "abc");
    refused("{Type: String, AllowedPattern: '[a-z]+'}", "abc1", &["AllowedPattern: \"abc1\" does not match [a-z]+"]);
    refused("{Type: String, AllowedPattern: '[a-z]+'}", "1abc", &["does not match"]);
    refused("{Type: String, AllowedPattern: 'a|b'}", "bc", &["does not match"]);
    holds("{Type: String, AllowedPattern: '(?=.*[0-9])[a-z0-9]+'}", "a1", "a1");
    refused("{Type: String, AllowedPattern: '(?=.*[0-9])[a-z0-9]+'}", "aa", &["does not match"]);
    refused(
        "{Type: String, MinLength: 4, AllowedPattern: '[a-z]+'}",
        "A1",
        &["AllowedPattern: \"A1\"", "MinLength: \"A1\""],
    );
}

#[test]
fn a_number_is_held_to_its_rules() {
    holds("{Type: Number, MinValue: 1.5, MaxValue: 3}", "2", "2");
    holds("{Type: Number, MinValue: -3}", "-2.5", "-2.5");
    refused("{Type: Number}", "x", &["\"x\" is not a number"]);
    refused("{Type: Number}", "inf", &["\"inf\" is not a number"]);
    refused("{Type: Number, MaxValue: 3}", "4", &["MaxValue: \"4\" is more than 3"]);
    refused("{Type: Number, MaxValue: 3}", "3.5", &["MaxValue: \"3.5\" is more than 3"]);
    refused("{Type: Number, MinValue: 3}", "2.5", &["MinValue: \"2.5\" is less than 3"]);
    refused("{Type: Number, AllowedValues: [1, 7]}", "2", &["AllowedValues: \"2\" is not one of 1, 7"]);
}

#[test]
fn a_list_is_held_to_its_rules_item_by_item() {
    holds("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a, b,a", "a|b|a");
    refused("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c,d", &["\"c\" is not", "\"d\" is not"]);
    refused("{Type: CommaDelimitedList, AllowedPattern: '[a-z]+'}", "ab,A", &["AllowedPattern: \"A\""]);
    holds("{Type: CommaDelimitedList, MaxLength: 2}", "ab,cd", "ab|cd");
    refused("{Type: CommaDelimitedList, MinLength: 2}", "ab,c", &["MinLength: \"c\""]);
    holds("{Type: 'List<Number>', MinValue: 1, AllowedValues: [1, 2]}", "1, 2", "1|2");
    refused("{Type: 'List<Number>', MinValue: 1, MaxValue: 5}", "0,3,9", &["MaxValue: \"9\"", "MinValue: \"0\""]);
    refused("{Type: 'List<Number>'}", "1,x", &["\"x\" is not a number"]);
    holds("{Type: 'AWS::SSM::Parameter::Value<List<String>>'}", "a,b", "a|b");
}

#[test]
fn what_the_template_says_of_a_rule_is_told_and_a_secret_is_not() {
    refused(
        "{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: must be in small letters}",
        "A",
        &["must be in small letters"],
    );
    let told = given("{Type: String, NoEcho: true, MinLength: 9}", &[("P", "hidden")]).expect_err("too short");
    assert!(told.contains("MinLength") && !told.contains("hidden"), "{told}");
}

#[test]
fn a_rule_that_cannot_be_read_is_a_problem() {
    refused("{Type: String, MinLength: x}", "a", &["MinLength must be a whole number"]);
    refused("{Type: Number, MaxValue: x}", "1", &["MaxValue must be a number"]);
    refused("{Type: String, MinValue: 3}", "a", &["MinValue is for numbers, not for String"]);
    refused("{Type: String, AllowedValues: a}", "a", &["AllowedValues must be a list"]);
    refused("{Type: String, Nope: 3}", "a", &["Nope is not a property of a parameter"]);
}

#[test]
fn a_pattern_that_only_java_reads_is_listed_as_not_checked() {
    let text = "Parameters: {P: {Type: String, Default: x, AllowedPattern: '\\p{javaLowerCase}+'}}\nResources: {F: {Type: \
                'AWS::Serverless::Function', Properties: {Runtime: provided.al2023}}}";
    let template = read(text, &inputs(&[])).expect("a good template");
    assert!(template.not_supported[0].starts_with("Parameters.P: AllowedPattern is not checked"), "{template:?}");
}
