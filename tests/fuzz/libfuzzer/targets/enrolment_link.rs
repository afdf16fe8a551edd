//! libFuzzer on the target of the same name.
#![no_main]

e2e_libfuzzer::fuzz!("enrolment_link");
