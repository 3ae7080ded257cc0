use super::teller::*;

macro_rules! cases {
    ($($name:ident: $given:expr, [$($step:expr),* $(,)?] => $expected:literal;)*) => {
        $(#[test] fn $name() { check($given, &[$($step),*], $expected); })*
    };
}

mod deposits {
    use super::*;

    cases! {
        first_deposit_opens_the_account: nothing(), [deposit(100)] => "posted 100/0/100";
        second_deposit_adds_up: nothing(), [deposit(100), deposit(23)] => "posted 123/0/123";
        first_deposit_is_refused_where_it_may_not_open: nothing().opening_no_accounts(), [deposit(100)] => "refused account_not_found 0/0/0";
        setting_leaves_an_account_that_is_there_alone: open(5).opening_no_accounts(), [deposit(1)] => "posted 6/0/6";
        deposit_in_another_currency_is_refused: open(5), [deposit(1).in_dollars()] => "refused currency_mismatch EUR 5/0/5";
        first_deposit_decides_the_currency: nothing(), [deposit(7).in_dollars(), deposit(1)] => "refused currency_mismatch USD 7/0/7";
        deposit_on_a_frozen_account_is_refused: frozen(5), [deposit(1)] => "refused account_frozen 5/0/5";
        deposit_on_a_closed_account_is_refused: closed(), [deposit(1)] => "refused account_closed 0/0/0";
        deposit_up_to_the_largest_balance_is_posted: open(MAX - 1), [deposit(1)] => "posted 9223372036854775807/0/9223372036854775807";
        deposit_beyond_the_largest_balance_is_refused: open(MAX), [deposit(1)] => "refused balance_limit 9223372036854775807/0/9223372036854775807";
        deposit_that_the_overdraft_limit_lifts_beyond_is_refused: overdraft(0, 10), [deposit(MAX - 9)] => "refused balance_limit 0/0/10";
        deposit_that_the_overdraft_limit_just_allows_is_posted: overdraft(0, 10), [deposit(MAX - 10)] => "posted 9223372036854775797/0/9223372036854775807";
        largest_deposit_leaves_room_for_everybody: nothing(), [deposit(MAX_AMOUNT), deposit(MAX_AMOUNT).by("bob")] => "posted 9007199254740991/0/9007199254740991";
        deposit_pays_an_overdraft_back: overdraft(-30, 50), [deposit(40)] => "posted 10/0/60";
        accounts_do_not_share_their_money: open(5), [deposit(7).by("bob"), withdraw(6)] => "refused insufficient_funds 5 5/0/5";
    }
}

mod withdrawals {
    use super::*;

    cases! {
        withdrawal_takes_money_at_once: open(100), [withdraw(30)] => "posted 70/0/70";
        withdrawal_of_everything_is_posted: open(100), [withdraw(100)] => "posted 0/0/0";
        withdrawal_beyond_available_is_refused: open(100), [withdraw(101)] => "refused insufficient_funds 100 100/0/100";
        withdrawal_leaves_held_money_alone: open(100), [hold(60), withdraw(41)] => "refused insufficient_funds 40 100/60/40";
        withdrawal_beside_a_hold_is_posted: open(100), [hold(60), withdraw(40)] => "posted 60/60/0";
        withdrawal_into_the_overdraft_is_posted: overdraft(10, 50), [withdraw(60)] => "posted -50/0/0";
        withdrawal_beyond_the_overdraft_is_refused: overdraft(10, 50), [withdraw(61)] => "refused insufficient_funds 60 10/0/60";
        withdrawal_from_nowhere_is_refused: nothing(), [withdraw(1)] => "refused account_not_found 0/0/0";
        withdrawal_in_another_currency_is_refused: open(5), [withdraw(1).in_dollars()] => "refused currency_mismatch EUR 5/0/5";
        withdrawal_from_a_frozen_account_is_refused: frozen(5), [withdraw(1)] => "refused account_frozen 5/0/5";
        withdrawal_from_a_closed_account_is_refused: closed(), [withdraw(1)] => "refused account_closed 0/0/0";
        refused_withdrawal_changes_nothing: open(5), [withdraw(6), withdraw(5)] => "posted 0/0/0";
    }
}

mod requests {
    use super::*;

    cases! {
        request_holds_money: open(100), [hold(60)] => "posted 100/60/40";
        request_of_everything_is_posted: open(100), [hold(60), hold(40)] => "posted 100/100/0";
        request_beyond_available_is_refused: open(100), [hold(60), hold(41)] => "refused insufficient_funds 40 100/60/40";
        request_into_the_overdraft_is_posted: overdraft(0, 50), [hold(50)] => "posted 0/50/0";
        request_beyond_the_overdraft_is_refused: overdraft(0, 50), [hold(51)] => "refused insufficient_funds 50 0/0/50";
        request_on_nothing_is_refused: nothing(), [hold(1)] => "refused account_not_found 0/0/0";
        request_in_another_currency_is_refused: open(5), [hold(1).in_dollars()] => "refused currency_mismatch EUR 5/0/5";
        request_on_a_frozen_account_is_refused: frozen(5), [hold(1)] => "refused account_frozen 5/0/5";
        request_on_a_closed_account_is_refused: closed(), [hold(1)] => "refused account_closed 0/0/0";
        one_hold_too_many_is_refused: full_of_holds(2_000), [hold(1)] => "refused too_many_holds 2000/1000/1000";
        expired_holds_make_room: full_of_holds(2_000), [hold(1).at(10)] => "posted 2000/1/1999";
    }
}

mod expiry {
    use super::*;

    cases! {
        hold_lasts_until_just_before_it_expires: open(100), [hold(60), withdraw(41).at(9)] => "refused insufficient_funds 40 100/60/40";
        hold_expires_at_its_moment: open(100), [hold(60), withdraw(41).at(10)] => "posted 59/0/59";
        hold_of_no_seconds_is_gone_at_the_next_command: open(100), [hold_for(0, 60), deposit(1)] => "posted 101/0/101";
        hold_expires_under_a_refusal_too: open(100), [hold(60), withdraw(200).at(10)] => "refused insufficient_funds 100 100/0/100";
        only_holds_past_their_time_expire: open(100), [hold_for(5, 10), hold_for(50, 20), deposit(1).at(7)] => "posted 101/20/81";
        capture_just_before_expiry_is_posted: open(100), [hold(60), capture(0, 60).at(9)] => "posted 40/0/40";
        capture_after_expiry_is_refused: open(100), [hold(60), capture(0, 60).at(10)] => "refused hold_expired 10s 100/0/100";
        capture_long_after_expiry_names_the_moment: open(100), [hold(60), deposit(1).at(20), capture(0, 60).at(30)] => "refused hold_expired 10s 101/0/101";
        release_after_expiry_is_refused: open(100), [hold(60), release(0).at(10)] => "refused hold_expired 10s 100/0/100";
        what_a_capture_kept_expires_with_its_hold: open(100), [hold(60), capture_and_keep(0, 20), capture(0, 40).at(10)] => "refused hold_expired 10s 80/0/80";
        holds_of_other_accounts_expire_by_the_same_clock: open(100), [hold(60), deposit(1).by("bob").at(10), withdraw(100)] => "posted 0/0/0";
        clock_never_runs_backwards: open(100), [deposit(1).at(20), hold(60).at(5), capture(1, 60).at(29)] => "posted 41/0/41";
        time_before_the_start_counts_as_the_start: open(100), [hold(60).at(-1_000), capture(0, 60).at(9)] => "posted 40/0/40";
        longest_hold_outlives_the_case: open(100), [hold_for(u32::MAX, 60), deposit(1).at(1_000_000)] => "posted 101/60/41";
    }
}

mod captures {
    use super::*;

    cases! {
        capture_takes_the_held_money: open(100), [hold(60), capture(0, 60)] => "posted 40/0/40";
        final_capture_gives_the_rest_back: open(100), [hold(60), capture(0, 20)] => "posted 80/0/80";
        capture_that_is_not_final_keeps_the_rest: open(100), [hold(60), capture_and_keep(0, 20)] => "posted 80/40/40";
        kept_rest_can_be_captured: open(100), [hold(60), capture_and_keep(0, 20), capture(0, 40)] => "posted 40/0/40";
        kept_rest_bounds_the_next_capture: open(100), [hold(60), capture_and_keep(0, 20), capture(0, 41)] => "refused exceeds_hold 40 80/40/40";
        capture_of_everything_ends_the_hold_even_when_not_final: open(100), [hold(60), capture_and_keep(0, 60), release(0)] => "refused hold_captured #1 40/0/40";
        capture_beyond_the_hold_is_refused: open(100), [hold(60), capture(0, 61)] => "refused exceeds_hold 60 100/60/40";
        refused_capture_leaves_the_hold_open: open(100), [hold(60), capture(0, 61), capture(0, 60)] => "posted 40/0/40";
        capture_of_one_hold_leaves_the_others: open(100), [hold(10), hold(20), hold(30), capture(1, 20)] => "posted 80/40/40";
        capture_into_the_overdraft_is_posted: overdraft(0, 50), [hold(50), capture(0, 50)] => "posted -50/0/0";
        capture_of_a_captured_hold_names_the_capture: open(100), [hold(60), capture(0, 20), capture(0, 20)] => "refused hold_captured #1 80/0/80";
        capture_of_a_released_hold_names_the_release: open(100), [hold(60), release(0), capture(0, 20)] => "refused hold_released #1 100/0/100";
        capture_of_no_hold_is_refused: open(100), [capture(7, 1)] => "refused hold_not_found 100/0/100";
        capture_of_a_deposit_is_refused: open(100), [deposit(1), capture(0, 1)] => "refused hold_not_found 101/0/101";
        capture_of_a_refused_request_is_refused: open(100), [hold(101), capture(0, 1)] => "refused hold_not_found 100/0/100";
        capture_of_anothers_hold_is_refused: open(100), [hold(60), deposit(9).by("bob"), capture(0, 1).by("bob")] => "refused hold_not_found 9/0/9";
        capture_in_another_currency_is_refused: open(100), [hold(60), capture(0, 1).in_dollars()] => "refused currency_mismatch EUR 100/60/40";
        capture_on_nothing_is_refused: nothing(), [capture(0, 1)] => "refused account_not_found 0/0/0";
        capture_on_a_frozen_account_is_refused: frozen(100), [capture(0, 1)] => "refused account_frozen 100/0/100";
        capture_on_a_closed_account_is_refused: closed(), [capture(0, 1)] => "refused account_closed 0/0/0";
    }
}

mod releases {
    use super::*;

    cases! {
        release_gives_the_money_back: open(100), [hold(60), release(0)] => "posted 100/0/100";
        release_of_what_a_capture_kept_gives_the_rest_back: open(100), [hold(60), capture_and_keep(0, 20), release(0)] => "posted 80/0/80";
        release_of_one_hold_leaves_the_others: open(100), [hold(10), hold(20), hold(30), release(1)] => "posted 100/40/60";
        release_of_a_released_hold_names_the_release: open(100), [hold(60), release(0), release(0)] => "refused hold_released #1 100/0/100";
        release_of_a_captured_hold_names_the_capture: open(100), [hold(60), capture(0, 60), release(0)] => "refused hold_captured #1 40/0/40";
        release_of_no_hold_is_refused: open(100), [release(7)] => "refused hold_not_found 100/0/100";
        release_of_anothers_hold_is_refused: open(100), [hold(60), deposit(9).by("bob"), release(0).by("bob")] => "refused hold_not_found 9/0/9";
        release_on_nothing_is_refused: nothing(), [release(0)] => "refused account_not_found 0/0/0";
        release_on_a_frozen_account_is_refused: frozen(100), [release(0)] => "refused account_frozen 100/0/100";
        release_on_a_closed_account_is_refused: closed(), [release(0)] => "refused account_closed 0/0/0";
    }
}

mod keys {
    use super::*;

    const A_DAY: i64 = 24 * 60 * 60;

    cases! {
        key_is_remembered_for_its_lifetime: nothing(), [deposit(5).key("a"), deposit(5).key("a").at(30 * A_DAY - 1)] => "replayed #0 5/0/5";
        key_is_forgotten_when_its_lifetime_is_over: nothing(), [deposit(5).key("a"), deposit(5).key("a").at(30 * A_DAY)] => "posted 10/0/10";
        forgotten_key_stands_for_its_next_command: nothing(), [deposit(5).key("a"), deposit(6).key("a").at(30 * A_DAY), deposit(6).key("a").at(31 * A_DAY)] => "replayed #1 11/0/11";
        replay_does_not_lengthen_the_life_of_its_key: nothing(), [deposit(5).key("a"), deposit(5).key("a").at(29 * A_DAY), deposit(5).key("a").at(30 * A_DAY)] => "posted 10/0/10";
        same_key_and_body_is_replayed: nothing(), [deposit(5).key("a"), deposit(5).key("a")] => "replayed #0 5/0/5";
        every_replay_names_the_original: nothing(), [deposit(5).key("a"), deposit(5).key("a"), deposit(5).key("a")] => "replayed #0 5/0/5";
        replay_after_other_commands_moves_nothing: nothing(), [deposit(5).key("a"), withdraw(2), deposit(5).key("a")] => "replayed #0 3/0/3";
        same_key_with_another_body_is_refused: nothing(), [deposit(5).key("a"), deposit(6).key("a")] => "refused idempotency_key_reused #0 5/0/5";
        reuse_does_not_take_the_key_over: nothing(), [deposit(5).key("a"), deposit(6).key("a"), deposit(6).key("a")] => "refused idempotency_key_reused #0 5/0/5";
        another_key_is_another_command: nothing(), [deposit(5).key("a"), deposit(5).key("b")] => "posted 10/0/10";
        no_key_is_never_a_replay: nothing(), [deposit(5).key("a"), deposit(5)] => "posted 10/0/10";
        accounts_do_not_share_their_keys: nothing(), [deposit(5).key("a"), deposit(5).key("a").by("bob")] => "posted 5/0/5";
        refusal_is_kept_under_its_key: open(1), [withdraw(2).key("a"), deposit(9), withdraw(2).key("a")] => "replayed #0 10/0/10";
        refusal_without_an_account_is_kept_under_its_key: nothing(), [withdraw(2).key("a"), deposit(9), withdraw(2).key("a")] => "replayed #0 9/0/9";
        replay_without_an_account_leaves_none: nothing(), [withdraw(2).key("a"), withdraw(2).key("a")] => "replayed #0 0/0/0";
        frozen_account_still_answers_for_its_keys: frozen(1), [deposit(2).key("a"), deposit(2).key("a")] => "replayed #0 1/0/1";
        hold_expires_under_a_replay_too: open(9), [hold(5).key("a"), hold(5).key("a").at(10)] => "replayed #0 9/0/9";
    }
}
