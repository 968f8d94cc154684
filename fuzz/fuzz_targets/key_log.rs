#![no_main]

volact_fuzz::target!(key_log);
