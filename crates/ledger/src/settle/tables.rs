//! Every transition and every refusal, one line a case.
