//! Any bytes are a spec, or are refused with a place and with what to do; nothing panics.
//!
//! `cargo +nightly fuzz run spec -- -max_len=4096 fuzz/corpus/spec testdata/specs` in the folder `coordinator`: what is written by hand
//! in `testdata/specs` is where it begins.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pilaster_common::error::Help;
use pilaster_coordinator::spec::{parse, text_of};

fuzz_target!(|bytes: &[u8]| {
    if let Err(bad) = text_of(bytes).and_then(parse) {
        assert!(!bad.to_string().is_empty() && bad.help().is_some_and(|help| !help.is_empty()));
        assert!(bad.places().all(|place| place.line > 0 && place.column > 0));
    }
});
