#![no_main]

use volact_fuzz_power::Conversation;

libfuzzer_sys::fuzz_target!(|conversation: Conversation| volact_fuzz_power::play(&conversation.encode()));
